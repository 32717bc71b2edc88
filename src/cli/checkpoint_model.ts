import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { dictMember, openCheckpoint } from '../checkpoint/index.js';
import { log } from '../common/logging.js';
import { resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { defaultFileOf, isPlainObject, type PlainObject } from '../config/index.js';
import { setupEngine } from '../engine/index.js';
import type { CardFacts, GenerationDefaults, Preprocessing } from '../export/index.js';
import { beneathCheckpoint, locateWeights, type Model, modelSectionOf } from '../models/index.js';
import { lastEvaluations, readRun } from '../reports/index.js';
import { UsageError } from './command.js';
import { type ConfigArguments, configOptions, loadClasses, loadConfig } from './config_options.js';

/** The options of commands that build the model of a checkpoint. */
export const checkpointModelOptions = {
  ...configOptions,
  'cfg-path': {
    ...configOptions['cfg-path'],
    demandOption: false,
    describe: 'YAML of the run; the record in the checkpoint unless given',
  },
  model: {
    type: 'string',
    requiresArg: true,
    describe: 'Architecture of lavis zoo, for weights without a record: blip_caption',
  },
  'model-type': { type: 'string', requiresArg: true, describe: 'Type of --model: base_coco' },
  adapter: {
    type: 'string',
    requiresArg: true,
    describe: 'Folder of a LoRA adapter (of a run or of PEFT), which becomes part of the weights',
  },
} as const;

export interface CheckpointModelArguments extends Omit<ConfigArguments, 'cfg-path'> {
  'cfg-path'?: string;
  model?: string;
  'model-type'?: string;
  adapter?: string;
}

/** A checkpoint's model, and what its run says of it. */
export interface CheckpointModel {
  model: Model;
  preprocessing: Preprocessing;
  generation: GenerationDefaults;
  card: CardFacts;
}

/**
 * Builds the model of a checkpoint, on the CPU: as --cfg-path or --model say, else as the checkpoint's own record,
 * or the config.json beside it, says.
 * @throws UsageError where nothing says what model it is; LavisError
 */
export async function loadCheckpointModel(
  place: string,
  args: CheckpointModelArguments,
): Promise<CheckpointModel> {
  await loadClasses(args.plugin);
  const path = await locateWeights(place, 'another CHECKPOINT');
  const config = (await askedConfig(args)) ?? (await recordedConfig(path)) ?? (await configBeside(path));
  if (!config) {
    throw new UsageError(
      `${place} has no record of its model: --cfg-path FILE of its run, or --model NAME --model-type TYPE`,
    );
  }
  const section = tableAt(config, 'model');
  const { description } = await setupEngine({ device: 'cpu' });
  log.debug(description);
  const asked = args.adapter === undefined ? section : { ...section, lora: null, adapter: null };
  const model = await registry
    .getModelClass(String(section.arch))
    .fromConfig({ ...asked, ...beneathCheckpoint(asked) }, { training: false });
  await model.loadCheckpoint(path);
  if (args.adapter !== undefined) await model.loadAdapter?.(args.adapter);
  model.mergeAdapter?.();
  model.eval();
  return {
    model,
    preprocessing: preprocessingOf(config),
    generation: generationOf(tableAt(config, 'run')),
    card: await factsOf(path, config),
  };
}

/** What --cfg-path or --model name. */
async function askedConfig(args: CheckpointModelArguments): Promise<PlainObject | undefined> {
  const { 'cfg-path': file, model: arch, 'model-type': type } = args;
  if (file) return (await loadConfig({ ...args, 'cfg-path': file }, { training: false })).toJSON();
  if (!arch) return undefined;
  registry.getModelClass(arch);
  const values = {
    model: { arch, ...(type ? { model_type: type } : {}) },
    run: { task: 'captioning' },
    datasets: {},
  };
  const overrides = [{ values, origin: '--model' }];
  const config = await loadConfig(
    { ...args, 'cfg-path': resolveFile(defaultFileOf('model', arch, type)) },
    { training: false, overrides },
  );
  // The run is nobody's: its settings say nothing of the weights.
  return { model: config.model, preprocess: config.section('preprocess') };
}

/** The configuration that runs, LAVIS's too, write into their checkpoints. */
async function recordedConfig(path: string): Promise<PlainObject | undefined> {
  const checkpoint = await openCheckpoint(path);
  try {
    const config = dictMember(checkpoint.root, 'config');
    return isPlainObject(config) && isPlainObject(config.model) ? config : undefined;
  } finally {
    await checkpoint.close();
  }
}

/** What the config.json of a folder of Hugging Face's says. */
async function configBeside(path: string): Promise<PlainObject | undefined> {
  const folder = statSync(path).isDirectory() ? path : dirname(path);
  const model = await modelSectionOf(folder);
  return model && { model };
}

/** Mean and deviation of the processor that an evaluation uses. */
function preprocessingOf(config: PlainObject): Preprocessing {
  const sources = [...Object.values(tableAt(config, 'datasets')), config.preprocess];
  const [processor] = sources
    .map((source) => tableAt(source, 'vis_processor', 'eval'))
    .filter(({ name }) => name !== undefined);
  const triple = (value: unknown) => (Array.isArray(value) ? (value as [number, number, number]) : undefined);
  return { mean: triple(processor?.mean), std: triple(processor?.std) };
}

function generationOf(run: PlainObject): GenerationDefaults {
  const number = (value: unknown) => (typeof value === 'number' ? value : undefined);
  return {
    maxLength: number(run.max_len),
    minLength: number(run.min_len),
    numBeams: number(run.num_beams),
  };
}

/** What the run's folder, where the checkpoint lies in one, tells for a model card. */
async function factsOf(path: string, config: PlainObject): Promise<CardFacts> {
  const checkpoint = basename(path);
  const folder = dirname(path);
  if (!existsSync(join(folder, 'run.json'))) return { checkpoint, config };
  const { record, lines } = await readRun(folder);
  const scores = lastEvaluations(lines).map((line) => {
    const names = record?.metrics ? [record.metrics.primary, ...record.metrics.shown] : Object.keys(line);
    const values = names.flatMap((name) => (typeof line[name] === 'number' ? [[name, line[name]]] : []));
    return [line.split, Object.fromEntries(values)];
  });
  const { started, command, environment } = record ?? {};
  return { checkpoint, config, scores: Object.fromEntries(scores), started, command, environment };
}

function tableAt(value: unknown, ...keys: string[]): PlainObject {
  const inner = keys.reduce<unknown>((at, key) => (isPlainObject(at) ? at[key] : undefined), value);
  return isPlainObject(inner) ? inner : {};
}
