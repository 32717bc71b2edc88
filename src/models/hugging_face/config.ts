import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CheckpointError, messageOf } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import type { MedConfig } from '../med/config.js';
import type { VitConfig } from '../vit.js';

const count = z.number().int().min(1);
const rate = z.number().min(0).max(1);

/**
 * What transformers' `config.json` of a BLIP says, as far as a model here depends on it; what is absent has the value
 * that transformers gives it. Source: transformers, models/blip/configuration_blip.py.
 */
const schema = z.object({
  model_type: z.string().optional(),
  text_config: z
    .object({
      num_attention_heads: count.default(8),
      hidden_act: z.string().default('gelu'),
      layer_norm_eps: z.number().default(1e-12),
      hidden_dropout_prob: rate.default(0),
      label_smoothing: rate.default(0),
    })
    .prefault({}),
  vision_config: z
    .object({
      num_attention_heads: count.default(12),
      hidden_act: z.string().default('gelu'),
      layer_norm_eps: z.number().default(1e-5),
    })
    .prefault({}),
});

export type HuggingFaceConfig = z.output<typeof schema>;

/** Reads a config.json. @throws CheckpointError where it is not one. */
export async function readHuggingFaceConfig(path: string): Promise<HuggingFaceConfig> {
  let found: unknown;
  try {
    found = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw unusable(path, messageOf(cause), cause);
  }
  const parsed = schema.safeParse(found);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unusable(path, `${issue.path.join('.')}: ${issue.message}`);
}

const unusable = (where: string, found: string, cause?: unknown) =>
  new CheckpointError('the config.json beside the weights cannot be used', { where, found, cause });

/**
 * Compares a config.json with a model in what no tensor's shape shows. Numbers of heads and activations must be the
 * same; an epsilon that differs changes the outputs a little, and is told.
 * @throws CheckpointError
 */
export function checkHuggingFaceConfig(
  config: HuggingFaceConfig,
  { vit, med }: { vit: VitConfig; med: MedConfig },
  where: string,
): void {
  const { text_config: text, vision_config: vision } = config;
  const same: [key: string, found: unknown, wanted: unknown, option: string][] = [
    ['vision_config.num_attention_heads', vision.num_attention_heads, vit.heads, 'model.vit_num_heads'],
    ['text_config.num_attention_heads', text.num_attention_heads, med.heads, 'model.med_config_path'],
    ['vision_config.hidden_act', vision.hidden_act, 'gelu', ''],
    ['text_config.hidden_act', text.hidden_act, 'gelu', ''],
  ];
  for (const [key, found, wanted, option] of same) {
    if (found === wanted) continue;
    throw new CheckpointError(`${key} beside the weights is not the model's`, {
      where,
      found: `${found}`,
      allowed: `${wanted}`,
      help: option ? `${option} says what the model has` : 'BLIP has no other activation here',
    });
  }
  const close: [key: string, found: number, used: number, option: string][] = [
    ['vision_config.layer_norm_eps', vision.layer_norm_eps, vit.layerNormEps, 'model.vit_layer_norm_eps'],
    ['text_config.layer_norm_eps', text.layer_norm_eps, med.layerNormEps, 'model.med_config_path'],
  ];
  for (const [key, found, used, option] of close) {
    if (found !== used) {
      log.warn(`${where}: ${key} is ${found}, the model computes with ${used}; ${option} chooses the other`);
    }
  }
}
