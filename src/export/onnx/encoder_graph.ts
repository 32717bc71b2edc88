import type { GraphSpec, StoredTensor } from '../../engine/index.js';
import type { VisionTransformer } from '../../models/index.js';
import { GraphBuilder, type OnnxDtype, type Value } from './graph_builder.js';

/** The image encoder: `pixel_values` [B, 3, H, W] to `last_hidden_state` [B, N, D], the final norm included. */
export function encoderGraph(vit: VisionTransformer, dtype: OnnxDtype): [GraphSpec, StoredTensor[]] {
  const { imageSize, patchSize, width, heads } = vit.config;
  const size = width / heads;
  const g = new GraphBuilder(dtype);
  const { weight, bias } = vit.patchEmbed.proj;
  const kernel = { kernel_shape: [patchSize, patchSize], strides: [patchSize, patchSize] };
  const convolution = [g.weight('patch_embed.weight', weight), g.weight('patch_embed.bias', bias)];
  const patches = g.op('Conv', ['pixel_values', ...convolution], kernel); // [B, D, rows, columns]
  const flat = g.op('Reshape', [patches, g.constant([0, width, -1])]);
  const tokens = g.op('Transpose', [flat], { perm: [0, 2, 1] });
  const batch = g.op('Concat', [g.size('pixel_values', 0), g.constant([1, width])], { axis: 0 });
  const cls = g.op('Expand', [g.weight('cls_token', vit.clsToken), batch]);
  const embedded = g.op('Concat', [cls, tokens], { axis: 1 });
  let x: Value = g.op('Add', [embedded, g.weight('pos_embed', vit.posEmbed)]); // [B, N, D]
  vit.blocks.forEach((block, i) => {
    const name = `blocks.${i}`;
    const qkv = g.linear(g.layerNorm(x, `${name}.norm1`, block.norm1), `${name}.attn.qkv`, block.attn.qkv);
    const [query, key, value] = g
      .ops('Split', [qkv], 3, { axis: -1, num_outputs: 3 })
      .map((part) => g.heads(part, heads, size));
    const attended = g.attention(query, key, value, size);
    x = g.op('Add', [x, g.linear(attended, `${name}.attn.proj`, block.attn.proj)]);
    const inner = g.linear(g.layerNorm(x, `${name}.norm2`, block.norm2), `${name}.mlp.fc1`, block.mlp.fc1);
    x = g.op('Add', [x, g.linear(g.op('Gelu', [inner]), `${name}.mlp.fc2`, block.mlp.fc2)]);
  });
  g.layerNorm(x, 'norm', vit.norm, 'last_hidden_state');
  const places = (imageSize / patchSize) ** 2 + 1;
  return g.finish({
    inputs: { pixel_values: 'float32' },
    outputs: { last_hidden_state: 'float32' },
    shapes: {
      pixel_values: ['batch_size', 3, imageSize, imageSize],
      last_hidden_state: ['batch_size', places, width],
    },
  });
}
