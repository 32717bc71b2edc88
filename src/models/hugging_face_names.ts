/**
 * LAVIS's name of a tensor that Hugging Face's BLIP names otherwise: the image encoder's, for the text side has the
 * same names in both. Shapes and layouts are equal. Source: transformers, models/blip/modeling_blip.py.
 */
export function fromHuggingFace(name: string): string {
  const at = /(?:^|\.)vision_model\./.exec(name);
  if (!at) return name;
  const start = at.index + (at[0].startsWith('.') ? 1 : 0);
  const rest = name.slice(at.index + at[0].length);
  return `${name.slice(0, start)}visual_encoder.${RENAMED.reduce((text, [from, to]) => text.replace(from, to), rest)}`;
}

const RENAMED: readonly [RegExp, string][] = [
  [/^embeddings\.class_embedding$/, 'cls_token'],
  [/^embeddings\.position_embedding$/, 'pos_embed'],
  [/^embeddings\.patch_embedding\./, 'patch_embed.proj.'],
  [/^post_layernorm\./, 'norm.'],
  [/^encoder\.layers\.(\d+)\.layer_norm([12])\./, 'blocks.$1.norm$2.'],
  [/^encoder\.layers\.(\d+)\.self_attn\.qkv\./, 'blocks.$1.attn.qkv.'],
  [/^encoder\.layers\.(\d+)\.self_attn\.projection\./, 'blocks.$1.attn.proj.'],
  [/^encoder\.layers\.(\d+)\.mlp\./, 'blocks.$1.mlp.'],
];
