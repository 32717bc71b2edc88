import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, messageOf } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';
import { openCheckpoint } from './open.js';
import { saveSafetensors } from './save.js';
import { filesOfWeights } from './shards.js';
import type { SavedTensor, TensorRef } from './values.js';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const WEIGHTS_OF_OLD = 'adapter_model.bin';
/** What stands before the names of the adapted model. */
const PREFIX = 'base_model.model.';
/** In the metadata of the weights: which file the adapter was trained beside. PEFT passes over it. */
const BASE_SHA256 = 'base_sha256';

/** What is added to a linear layer's weight: scale · up · down. */
export interface LowRankPair {
  /** lora_A, [r, in] */
  down: TensorRef;
  /** lora_B, [out, r] */
  up: TensorRef;
  scale: number;
}

/** A LoRA adapter as PEFT saves it; names are those of the model that it was trained in, Hugging Face's most often. */
export interface PeftAdapter {
  folder: string;
  /** By the name of the adapted module. */
  pairs: Map<string, LowRankPair>;
  /** Tensors that replace the base's, by name: those of `modules_to_save`. */
  whole: Map<string, TensorRef>;
  /** Of the base's file, where the adapter was trained here. */
  baseSha256?: string;
  close(): Promise<void>;
}

/** What an adapter's configuration says beyond its tensors. */
export interface PeftConfig {
  r: number;
  lora_alpha: number;
  lora_dropout: number;
  use_rslora: boolean;
  /** Names of modules, or ends of them. */
  target_modules: readonly string[];
  modules_to_save: readonly string[] | null;
  base_model_name_or_path: string | null;
  auto_mapping: { base_model_class: string; parent_library: string } | null;
}

/**
 * Opens the folder of a LoRA adapter; its numbers stay in the file until they are read.
 * @throws CheckpointError when it is none, or of a kind that is not read here, which is named
 */
export async function openPeftAdapter(folder: string): Promise<PeftAdapter> {
  const config = await readConfig(folder);
  refuseKinds(config, join(folder, CONFIG));
  const path = [WEIGHTS, WEIGHTS_OF_OLD].map((name) => join(folder, name)).find((file) => existsSync(file));
  if (!path) {
    throw new CheckpointError('the adapter has no weights', {
      where: folder,
      allowed: `${WEIGHTS} beside ${CONFIG}`,
    });
  }
  const checkpoint = await openCheckpoint(path);
  try {
    const found = sorted(checkpoint.stateDict(), config, path);
    const baseSha256 = checkpoint.metadata[BASE_SHA256];
    return { folder, ...found, baseSha256, close: () => checkpoint.close() };
  } catch (thrown) {
    await checkpoint.close();
    throw thrown;
  }
}

/**
 * Writes the folder of an adapter as PEFT does, each file whole or not at all.
 * @param tensors by the names of the model that is adapted, in Hugging Face's layout for use with its library
 */
export async function writePeftAdapter(
  folder: string,
  config: PeftConfig,
  tensors: ReadonlyMap<string, SavedTensor>,
  { baseSha256, readme }: { baseSha256?: string; readme: string },
): Promise<void> {
  const named = new Map([...tensors].map(([name, tensor]) => [PREFIX + name, tensor]));
  const metadata = { format: 'pt', ...(baseSha256 && { [BASE_SHA256]: baseSha256 }) };
  await saveSafetensors(join(folder, WEIGHTS), named, metadata);
  const all = { ...config, ...UNUSED };
  const sortedKeys = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFileAtomic(join(folder, 'README.md'), readme);
  await writeFileAtomic(join(folder, CONFIG), `${JSON.stringify(sortedKeys, null, 2)}\n`);
}

/** What every adapter of ours says. Source: PEFT 0.21, LoraConfig. */
const UNUSED = {
  peft_type: 'LORA',
  task_type: null, // any other wraps `forward` with arguments that BLIP does not take
  inference_mode: true,
  bias: 'none',
  init_lora_weights: true,
  fan_in_fan_out: false,
  use_dora: false,
  lora_bias: false,
  rank_pattern: {},
  alpha_pattern: {},
  layers_pattern: null,
  layers_to_transform: null,
  revision: null,
};

/** The sha256 of a file of weights, in hexadecimal; of weights in parts, that of all parts one after the other. */
export async function sha256OfWeights(place: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of await filesOfWeights(place)) {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

async function readConfig(folder: string): Promise<Record<string, unknown>> {
  const path = join(folder, CONFIG);
  let config: unknown;
  try {
    config = JSON.parse(await readFile(path, 'utf8'));
  } catch (thrown) {
    throw new CheckpointError('the folder holds no adapter of PEFT', {
      where: path,
      found: existsSync(path) ? messageOf(thrown) : 'no such file',
      allowed: `a folder with ${CONFIG} and ${WEIGHTS}`,
      cause: thrown,
    });
  }
  if (typeof config === 'object' && config !== null) return config as Record<string, unknown>;
  throw new CheckpointError('the configuration of the adapter is not an object', { where: path });
}

/** @throws CheckpointError that names what makes the adapter something else than B · A beside linear layers */
function refuseKinds(config: Record<string, unknown>, where: string): void {
  const refuse = (found: string) => {
    throw new CheckpointError('the adapter is of a kind that is not read here', {
      where,
      found,
      allowed: 'LoRA of linear layers (rsLoRA, rank_pattern, alpha_pattern and modules_to_save too)',
      help: 'in Python: merge_and_unload() of PEFT makes a whole model of it, which is read here',
    });
  };
  const type = config.peft_type;
  if (type !== 'LORA') refuse(`peft_type ${JSON.stringify(type)}`);
  if (config.use_dora) refuse('use_dora: DoRA');
  if (config.fan_in_fan_out) refuse('fan_in_fan_out: weights that are turned');
  if (config.bias !== undefined && config.bias !== 'none') refuse(`bias ${JSON.stringify(config.bias)}`);
  const start = config.init_lora_weights;
  if (typeof start === 'string' && /^(pissa|olora|corda|lora_ga)/i.test(start)) {
    refuse(`init_lora_weights ${JSON.stringify(start)}, which changed the base too`);
  }
  for (const [key, value] of Object.entries(config)) {
    const on = key.startsWith('use_') ? value === true && key !== 'use_rslora' : OTHER_KINDS.includes(key);
    if (on && value !== null && value !== false) refuse(key);
  }
}

const OTHER_KINDS = [
  'lora_bias',
  'target_parameters',
  'trainable_token_indices',
  'layer_replication',
  'alora_invocation_tokens',
  'arrow_config',
  'monteclora_config',
  'kasa_config',
  'velora_config',
];

/** Tensors by what they are for. @throws CheckpointError for those that no linear layer has */
function sorted(
  tensors: ReadonlyMap<string, TensorRef>,
  config: Record<string, unknown>,
  where: string,
): Pick<PeftAdapter, 'pairs' | 'whole'> {
  const [downs, ups] = [new Map<string, TensorRef>(), new Map<string, TensorRef>()];
  const whole = new Map<string, TensorRef>();
  const wrong = (name: string, what: string) =>
    new CheckpointError('the adapter is of a kind that is not read here', {
      where,
      found: `${name}: ${what}`,
      allowed: 'lora_A.weight [r, in] and lora_B.weight [out, r] of linear layers',
    });
  for (const [given, tensor] of tensors) {
    const name = given.startsWith(PREFIX) ? given.slice(PREFIX.length) : given;
    const factor = /^(.*)\.lora_([AB])(?:\.default)?\.weight$/.exec(name);
    if (factor) {
      if (tensor.shape.length !== 2) throw wrong(given, `[${tensor.shape}], not of a linear layer`);
      (factor[2] === 'A' ? downs : ups).set(factor[1], tensor);
    } else if (/\.lora_/.test(name)) {
      throw wrong(
        given,
        name.includes('magnitude') ? 'DoRA' : name.includes('embedding') ? 'an embedding' : '?',
      );
    } else whole.set(name, tensor);
  }
  const pairs = new Map<string, LowRankPair>();
  for (const [module, down] of downs) {
    const up = ups.get(module);
    const [r] = down.shape;
    if (!up || up.shape[1] !== r) throw wrong(`${module}.lora_B.weight`, up ? `[${up.shape}]` : 'not there');
    const alpha = alphaOf(module, config);
    pairs.set(module, { down, up, scale: alpha / (config.use_rslora === true ? Math.sqrt(r) : r) });
  }
  const lone = [...ups.keys()].find((module) => !downs.has(module));
  if (lone) throw wrong(`${lone}.lora_A.weight`, 'not there');
  return { pairs, whole };
}

/** `alpha_pattern` goes before `lora_alpha`: a regular expression for the end of a module's name. */
function alphaOf(
  module: string,
  { lora_alpha: general = 8, alpha_pattern: patterns }: Record<string, unknown>,
) {
  for (const [pattern, alpha] of Object.entries(patterns ?? {})) {
    if (new RegExp(`^(.*\\.)?(${pattern})$`).test(module)) return Number(alpha);
  }
  return Number(general);
}
