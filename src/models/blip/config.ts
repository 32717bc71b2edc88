import { z } from 'zod';
import { ConfigError } from '../../common/errors.js';
import { key, types } from '../../config/index.js';
import { loraSchema } from '../lora.js';
import { tokenizerKeys } from '../tokenizer/vocabulary.js';
import type { VitConfig } from '../vit.js';

/** What the `model` section of every BLIP may say. Keys as LAVIS's; those for `vit_type: custom` are ours. */
export const blipSchema = z.strictObject({
  arch: key(types.text, undefined, 'The architecture: one of `lavis zoo`.'),
  model_type: key(types.text, undefined, 'Which default file: a type that `lavis zoo` lists.'),
  load_finetuned: key(types.flag, false, 'Start from the weights that `finetuned` names.'),
  load_pretrained: key(
    types.flag,
    undefined,
    'Otherwise start from the weights that `pretrained` names; by default, if it names any.',
  ),
  pretrained: key(
    types.text,
    undefined,
    'URL or file of weights to fine-tune; positions fit any image size.',
  ),
  finetuned: key(types.text, undefined, 'URL or file of fine-tuned weights.'),
  vit_type: key(z.enum(['base', 'large', 'custom']), 'base', 'Size of the image encoder.'),
  vit_grad_ckpt: key(
    types.flag,
    false,
    'Recompute blocks in the backward pass (gradient checkpointing): less memory, more time.',
  ),
  vit_ckpt_layer: key(types.count, 0, 'How many of the last blocks `vit_grad_ckpt` recomputes.'),
  vit_drop_path_rate: key(types.rate, 0, 'Stochastic depth rate; `large` always uses 0.1.'),
  vit_embed_dim: key(types.natural, undefined, 'Width of a `custom` image encoder.'),
  vit_depth: key(types.natural, undefined, 'Blocks of a `custom` image encoder.'),
  vit_num_heads: key(types.natural, undefined, 'Attention heads of a `custom` image encoder.'),
  vit_initializer_range: key(
    types.positive,
    0.02,
    'Standard deviation of the initial weights of a `custom` image encoder; a narrow one learns sooner with 1/√width.',
  ),
  vit_sincos_positions: key(
    types.flag,
    false,
    'Initialize the position embeddings of a `custom` image encoder with sines and cosines of row and column.',
  ),
  vit_patch_size: key(types.natural, 16, 'Patch size of a `custom` image encoder, in pixels.'),
  vit_layer_norm_eps: key(
    types.positive,
    1e-6,
    "Epsilon of the image encoder's layer norms; models trained with transformers use 1e-5, as their config.json says.",
  ),
  freeze_vit: key(types.flag, false, 'Freeze the image encoder: the same as `freeze: [visual_encoder]`.'),
  freeze: key(
    types.texts,
    undefined,
    'What else to freeze: names of modules or parameters, or globs such as `visual_encoder.blocks.{0..7}`.',
  ),
  lora: key(loraSchema, undefined, 'Train low-rank adapters (LoRA) instead of the weights.'),
  adapter: key(
    types.text,
    undefined,
    'Folder of a LoRA adapter, from a run or from PEFT, to load over the weights.',
  ),
  image_size: key(types.natural, 384, 'Image size in pixels; the processors have to agree.'),
  med_config_path: key(
    types.text,
    'configs/models/med_config.json',
    'JSON file of the text encoder and decoder, relative to the working directory or the package.',
  ),
  ...tokenizerKeys,
});

/** The keys of models with momentum copies. */
export const momentumKeys = {
  momentum: key(
    types.rate,
    0.995,
    'Momentum of the momentum encoders: how much of themselves they keep at each step.',
  ),
  alpha: key(
    types.rate,
    0.4,
    'Weight of the predictions of the momentum encoders in the targets of the loss.',
  ),
};

export type BlipSection = z.output<typeof blipSchema>;

const SIZES = {
  base: { width: 768, depth: 12, heads: 12, patchSize: 16 },
  large: { width: 1024, depth: 24, heads: 16, patchSize: 16 },
} as const;

/**
 * The ViT that a model section asks for. `large` has stochastic depth 0.1 whatever the section says.
 * @throws ConfigError when sizes do not divide, or a custom size is not given.
 */
export function vitConfigOf(section: BlipSection): VitConfig {
  const { image_size: imageSize } = section;
  const size = section.vit_type === 'custom' ? customSize(section) : SIZES[section.vit_type];
  if (imageSize % size.patchSize !== 0) {
    throw new ConfigError('model.image_size is not a multiple of the patch size', {
      found: `${imageSize} pixels, patches of ${size.patchSize}`,
    });
  }
  if (size.width % size.heads !== 0) {
    throw new ConfigError('model.vit_embed_dim is not a multiple of model.vit_num_heads', {
      found: `${size.width} wide, ${size.heads} heads`,
    });
  }
  return {
    ...size,
    imageSize,
    layerNormEps: section.vit_layer_norm_eps,
    dropPathRate: section.vit_type === 'large' ? 0.1 : (section.vit_drop_path_rate ?? 0),
    recomputedBlocks: section.vit_grad_ckpt ? (section.vit_ckpt_layer ?? 0) : 0,
  };
}

function customSize(section: BlipSection) {
  const { vit_embed_dim: width, vit_depth: depth, vit_num_heads: heads, vit_patch_size: patchSize } = section;
  if (!width || !depth || !heads) {
    throw new ConfigError('vit_type: custom needs its sizes', {
      allowed:
        'model.vit_embed_dim, model.vit_depth, model.vit_num_heads; model.vit_patch_size is 16 by default',
    });
  }
  return {
    width,
    depth,
    heads,
    patchSize: patchSize ?? 16,
    initializerRange: section.vit_initializer_range,
    sinCosPositions: section.vit_sincos_positions,
  };
}

/** Tokens of a text, of those that are padded to the longest of a batch: most are shorter. */
export const usualWords = (most: number): number => Math.min(16, most);
