import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, messageOf } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import type { PlainObject } from '../../config/index.js';
import type { MedConfig } from '../med/config.js';
import type { VitConfig } from '../vit.js';

const count = z.number().int().min(1);

/**
 * What transformers' `config.json` of a BLIP says, as far as a model here depends on it; what is absent has the value
 * that transformers gives it. Source: transformers, models/blip/configuration_blip.py.
 */
const schema = z.object({
  model_type: z.string().optional(),
  architectures: z.array(z.string()).default([]),
  image_text_hidden_size: count.default(256),
  text_config: z
    .object({
      num_attention_heads: count.default(8),
      hidden_act: z.string().default('gelu'),
      layer_norm_eps: z.number().default(1e-12),
    })
    .prefault({}),
  vision_config: z
    .object({
      hidden_size: count.default(768),
      intermediate_size: count.default(3072),
      num_hidden_layers: count.default(12),
      num_attention_heads: count.default(12),
      image_size: count.default(384),
      patch_size: count.default(16),
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
  new CheckpointError('a file beside the weights cannot be used', { where, found, cause });

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

/** Models of ours by the class of transformers that reads the same weights. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  BlipForConditionalGeneration: 'blip_caption',
  BlipForQuestionAnswering: 'blip_vqa',
  BlipForImageTextRetrieval: 'blip_image_text_matching',
};
/** What LAVIS's captioners were trained with; no file of transformers says it. */
const PROMPT = 'a picture of ';

const tokenizerSchema = z.object({
  do_lower_case: z.boolean().optional(),
  strip_accents: z.boolean().nullish(),
});

/** Whether the tokenizer of a folder keeps capitals and accents, as far as its tokenizer_config.json says it. */
async function casingOf(folder: string): Promise<PlainObject> {
  const path = join(folder, 'tokenizer_config.json');
  if (!existsSync(path)) return {};
  const parsed = tokenizerSchema.safeParse(
    await readFile(path, 'utf8')
      .then(JSON.parse)
      .catch((cause) => {
        throw unusable(path, messageOf(cause), cause);
      }),
  );
  if (!parsed.success) throw unusable(path, parsed.error.issues[0].message);
  const { do_lower_case, strip_accents } = parsed.data;
  return {
    ...(do_lower_case === false && { lower_case: false }),
    ...(typeof strip_accents === 'boolean' && { strip_accents }),
  };
}

/**
 * The `model` section that builds the model of a folder of transformers', by its config.json; its weights are not
 * named in it. A folder without a vocab.txt or a tokenizer.json has bert-base-uncased's vocabulary.
 * @returns undefined for a folder without the config.json of a BLIP
 * @throws CheckpointError for a BLIP that cannot be built here
 */
export async function modelSectionOf(folder: string): Promise<PlainObject | undefined> {
  const path = join(folder, 'config.json');
  if (!existsSync(path)) return undefined;
  const config = await readHuggingFaceConfig(path);
  if (config.model_type !== 'blip') return undefined;
  const { architectures, vision_config: vision } = config;
  const arch = architectures.map((name) => ARCHITECTURES[name]).find(Boolean);
  if (!arch || vision.intermediate_size !== 4 * vision.hidden_size) {
    throw new CheckpointError('the folder does not hold a BLIP that can be built here', {
      where: path,
      found: architectures.join(', ') || 'no architectures',
      allowed: Object.keys(ARCHITECTURES).join(', '),
    });
  }
  const vocabulary = ['vocab.txt', 'tokenizer.json'].map((name) => join(folder, name)).find(existsSync);
  return {
    arch,
    load_finetuned: false,
    load_pretrained: false,
    vit_type: 'custom',
    vit_embed_dim: vision.hidden_size,
    vit_depth: vision.num_hidden_layers,
    vit_num_heads: vision.num_attention_heads,
    vit_patch_size: vision.patch_size,
    vit_layer_norm_eps: vision.layer_norm_eps,
    image_size: vision.image_size,
    med_config_path: path,
    tokenizer: vocabulary ?? 'bert-base-uncased',
    ...(await casingOf(folder)),
    ...(arch === 'blip_caption' && { prompt: PROMPT }),
    ...(arch === 'blip_image_text_matching' && { embed_dim: config.image_text_hidden_size }),
  };
}
