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
    'Otherwise start from those that `pretrained` names; left out, where it names some.',
  ),
  pretrained: key(
    types.text,
    undefined,
    'URL or file of weights to fine-tune; positions fit any image size.',
  ),
  finetuned: key(types.text, undefined, 'URL or file of weights that are ready to use.'),
  vit_type: key(z.enum(['base', 'large', 'custom']), 'base', 'Size of the image encoder.'),
  vit_grad_ckpt: key(types.flag, false, 'Compute blocks again in the backward pass: less memory, more time.'),
  vit_ckpt_layer: key(types.count, 0, 'How many of the last blocks `vit_grad_ckpt` is about.'),
  vit_drop_path_rate: key(types.rate, 0, 'Stochastic depth; `large` has 0.1 whatever stands here.'),
  vit_embed_dim: key(types.natural, undefined, 'Width of a `custom` image encoder.'),
  vit_depth: key(types.natural, undefined, 'Blocks of a `custom` image encoder.'),
  vit_num_heads: key(types.natural, undefined, 'Attention heads of a `custom` image encoder.'),
  vit_initializer_range: key(
    types.positive,
    0.02,
    'Spread of the first weights of a `custom` image encoder; a narrow one learns sooner with 1/√width.',
  ),
  vit_sincos_positions: key(
    types.flag,
    false,
    'Start the positions of a `custom` image encoder from sines and cosines of row and column.',
  ),
  vit_patch_size: key(types.natural, 16, 'Pixels a side of a patch, of a `custom` image encoder.'),
  vit_layer_norm_eps: key(
    types.positive,
    1e-6,
    "Of the image encoder's layer norms; models that transformers trained have 1e-5: their config.json says it.",
  ),
  freeze_vit: key(
    types.flag,
    false,
    'Leave the image encoder as it is: the same as `freeze: [visual_encoder]`.',
  ),
  freeze: key(
    types.texts,
    undefined,
    'What else is not trained: names of modules or parameters, or globs such as `visual_encoder.blocks.{0..7}`.',
  ),
  lora: key(loraSchema, undefined, 'Train small matrices beside the weights instead of the weights (LoRA).'),
  adapter: key(
    types.text,
    undefined,
    'Folder of a LoRA adapter, of a run or of PEFT, that is loaded over the weights.',
  ),
  image_size: key(types.natural, 384, 'Pixels a side of an image; the processors have to agree.'),
  med_config_path: key(
    types.text,
    'configs/models/med_config.json',
    'JSON file of the text encoder and decoder, relative to the working directory or the package.',
  ),
  ...tokenizerKeys,
});

/** The keys of models with momentum copies. */
export const momentumKeys = {
  momentum: key(types.rate, 0.995, 'How much of themselves the momentum copies keep at each step.'),
  alpha: key(types.rate, 0.4, 'Share of the momentum copies in the targets of the loss.'),
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
    throw new ConfigError('model.image_size is no multiple of the patch size', {
      found: `${imageSize} pixels, patches of ${size.patchSize}`,
    });
  }
  if (size.width % size.heads !== 0) {
    throw new ConfigError('model.vit_embed_dim is no multiple of model.vit_num_heads', {
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
        'model.vit_embed_dim, model.vit_depth, model.vit_num_heads; model.vit_patch_size is 16 unless given',
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
