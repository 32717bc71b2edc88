import { z } from 'zod';
import type { PlainObject } from '../common/config.js';
import { ConfigError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { didYouMean } from '../common/suggest.js';
import type { VitConfig } from './vit.js';

const count = z.number().int().min(1);
const place = z.string().min(1);

/** The `model` section of a BLIP captioning run. Keys as LAVIS's; those for `vit_type: custom` are ours. */
export const blipCaptionSchema = z.strictObject({
  arch: z.string().optional(),
  model_type: z.string().nullish(),
  load_finetuned: z.boolean().nullish(),
  load_pretrained: z.boolean().nullish(),
  pretrained: place.nullish(),
  finetuned: place.nullish(),
  vit_type: z.enum(['base', 'large', 'custom']).default('base'),
  vit_grad_ckpt: z.boolean().nullish(),
  vit_ckpt_layer: z.number().int().min(0).nullish(),
  vit_drop_path_rate: z.number().min(0).max(0.99).nullish(),
  vit_embed_dim: count.nullish(),
  vit_depth: count.nullish(),
  vit_num_heads: count.nullish(),
  vit_patch_size: count.nullish(),
  image_size: count.default(384),
  med_config_path: place.default('configs/models/med_config.json'),
  prompt: z.string().nullish(),
  max_txt_len: count.default(40),
  tokenizer: place.default('bert-base-uncased'),
});

export type BlipCaptionSection = z.output<typeof blipCaptionSchema>;

/**
 * Checks a section that no Config has checked. Unknown keys are a warning here: a Config refuses them with
 * their place in the file, unless it is told to let them pass.
 * @throws ConfigError that lists every wrong value at once.
 */
export function parseBlipCaptionSection(section: PlainObject): BlipCaptionSection {
  const known = Object.keys(blipCaptionSchema.shape);
  for (const key of Object.keys(section)) {
    if (known.includes(key)) continue;
    log.warn(
      [`model.${key} is not known and is not used`, didYouMean(key, known)].filter(Boolean).join('; '),
    );
  }
  const parsed = blipCaptionSchema.strip().safeParse(section);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => {
    const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], section);
    return `model.${path.join('.')}: ${JSON.stringify(value)} (${message})`;
  });
  throw new ConfigError('the model section cannot be used', { found: problems.join('\n') });
}

const SIZES = {
  base: { width: 768, depth: 12, heads: 12, patchSize: 16 },
  large: { width: 1024, depth: 24, heads: 16, patchSize: 16 },
} as const;

/**
 * The ViT that a model section asks for. `large` has stochastic depth 0.1 whatever the section says.
 * @throws ConfigError when sizes do not divide, or a custom size is not given.
 */
export function vitConfigOf(section: BlipCaptionSection): VitConfig {
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
    dropPathRate: section.vit_type === 'large' ? 0.1 : (section.vit_drop_path_rate ?? 0),
    recomputedBlocks: section.vit_grad_ckpt ? (section.vit_ckpt_layer ?? 0) : 0,
  };
}

function customSize(section: BlipCaptionSection) {
  const { vit_embed_dim: width, vit_depth: depth, vit_num_heads: heads, vit_patch_size: patchSize } = section;
  if (!width || !depth || !heads) {
    throw new ConfigError('vit_type: custom needs its sizes', {
      allowed:
        'model.vit_embed_dim, model.vit_depth, model.vit_num_heads; model.vit_patch_size is 16 unless given',
    });
  }
  return { width, depth, heads, patchSize: patchSize ?? 16 };
}
