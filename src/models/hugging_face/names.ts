/**
 * Tensors that Hugging Face's BLIP names otherwise than LAVIS: the image encoder's, for the text side has the same
 * names in both. Shapes and layouts are equal. Source: transformers, models/blip/modeling_blip.py.
 */
const PARTS: readonly (readonly [lavis: string, huggingFace: string])[] = [
  ['cls_token', 'embeddings.class_embedding'],
  ['pos_embed', 'embeddings.position_embedding'],
  ['patch_embed.proj', 'embeddings.patch_embedding'],
  ['norm', 'post_layernorm'],
];
/** Within block n, which is `blocks.n` or `encoder.layers.n`. */
const BLOCK_PARTS: readonly (readonly [lavis: string, huggingFace: string])[] = [
  ['norm1', 'layer_norm1'],
  ['norm2', 'layer_norm2'],
  ['attn.qkv', 'self_attn.qkv'],
  ['attn.proj', 'self_attn.projection'],
  ['mlp.fc1', 'mlp.fc1'],
  ['mlp.fc2', 'mlp.fc2'],
];

/** LAVIS's name of a tensor of Hugging Face's, which may stand behind the name of a wrapper; others as they are. */
export function fromHuggingFace(name: string): string {
  const at = partStart(name, 'vision_model');
  if (at < 0) return name;
  const rest = name.slice(at + 'vision_model.'.length);
  const block = /^encoder\.layers\.(\d+)\.(.*)$/.exec(rest);
  const renamed = block
    ? `blocks.${block[1]}.${swapped(block[2], BLOCK_PARTS, 1, 0)}`
    : swapped(rest, PARTS, 1, 0);
  return `${name.slice(0, at)}visual_encoder.${renamed}`;
}

/** Hugging Face's name of a tensor of LAVIS's: the inverse. */
export function toHuggingFace(name: string): string {
  const at = partStart(name, 'visual_encoder');
  if (at < 0) return name;
  const rest = name.slice(at + 'visual_encoder.'.length);
  const block = /^blocks\.(\d+)\.(.*)$/.exec(rest);
  const renamed = block
    ? `encoder.layers.${block[1]}.${swapped(block[2], BLOCK_PARTS, 0, 1)}`
    : swapped(rest, PARTS, 0, 1);
  return `${name.slice(0, at)}vision_model.${renamed}`;
}

/** Whether a name is of Hugging Face's layout and of no other. */
export const isHuggingFaceName = (name: string): boolean => partStart(name, 'vision_model') >= 0;

/** Where a part of a dotted name starts, itself included; -1 where it has none such. */
function partStart(name: string, part: string): number {
  if (name.startsWith(`${part}.`)) return 0;
  const at = name.indexOf(`.${part}.`);
  return at < 0 ? -1 : at + 1;
}

/** A name whose beginning is exchanged, parameter or module. */
function swapped(name: string, table: typeof PARTS, from: 0 | 1, to: 0 | 1): string {
  const found = table.find((pair) => name === pair[from] || name.startsWith(`${pair[from]}.`));
  return found ? found[to] + name.slice(found[from].length) : name;
}
