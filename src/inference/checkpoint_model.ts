import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CheckpointError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { defaultFileOf, isPlainObject, type PlainObject } from '../config/index.js';
import { setupEngine } from '../engine/index.js';
import type { CardFacts, GenerationDefaults, Preprocessing } from '../export/index.js';
import { beneathCheckpoint, locateWeights, type Model } from '../models/index.js';
import { type ImageProcessor, imageProcessorOf, loadImageProcessor } from '../processors/index.js';
import { lastEvaluations, readRun } from '../reports/index.js';
import { configBeside, recordedConfig, tableAt } from './recorded_config.js';
import { configOf, type ModelSource } from './use_model.js';

/** A checkpoint's model, and what its run says of it. */
export interface CheckpointModel {
  model: Model;
  preprocessing: Preprocessing;
  generation: GenerationDefaults;
  card: CardFacts;
  /** What prepares images in evaluations; BLIP's own, of the model's size, where nothing says so. */
  processor(): ImageProcessor;
}

/**
 * Builds the model of a checkpoint, on the CPU: as the source says, else as the checkpoint's own record,
 * or the config.json beside it, says. Plug-ins are loaded before.
 * @throws CheckpointError where nothing says what model it is; LavisError
 */
export async function loadCheckpointModel(
  place: string,
  source: Omit<ModelSource, 'checkpoint'> = {},
): Promise<CheckpointModel> {
  const path = await locateWeights(place, 'another CHECKPOINT');
  const config = (await askedConfig(source)) ?? (await recordedConfig(path)) ?? (await configBeside(path));
  if (!config) {
    throw new CheckpointError(`${place} has no record of its model`, {
      help: '--cfg-path FILE of its run, or --model NAME --model-type TYPE',
    });
  }
  const section = tableAt(config, 'model');
  const { description } = await setupEngine({ device: 'cpu' });
  log.debug(description);
  const asked = source.adapter === undefined ? section : { ...section, lora: null, adapter: null };
  const model = await registry
    .getModelClass(String(section.arch))
    .fromConfig({ ...asked, ...beneathCheckpoint(asked) }, { training: false });
  await model.loadCheckpoint(path);
  if (source.adapter !== undefined) await model.loadAdapter?.(source.adapter);
  model.mergeAdapter?.();
  model.eval();
  return {
    model,
    preprocessing: preprocessingOf(config),
    generation: generationOf(tableAt(config, 'run')),
    card: await factsOf(path, config),
    processor: () => processorOf(config),
  };
}

/** What the source names: the YAML of a run, or a model of the zoo. */
async function askedConfig(source: ModelSource): Promise<PlainObject | undefined> {
  const { cfgPath, arch, modelType } = source;
  if (cfgPath) return (await configOf(source, cfgPath)).toJSON();
  if (!arch) return undefined;
  registry.getModelClass(arch);
  const values = {
    model: { arch, ...(modelType ? { model_type: modelType } : {}) },
    run: { task: 'captioning' },
    datasets: {},
  };
  const path = resolveFile(defaultFileOf('model', arch, modelType));
  const config = await configOf(source, path, { overrides: [{ values, origin: '--model' }] });
  // The run is nobody's: its settings say nothing of the weights.
  return { model: config.model, preprocess: config.section('preprocess') };
}

function processorOf(config: PlainObject): ImageProcessor {
  const sections = { ...tableAt(config, 'datasets'), preprocess: config.preprocess };
  const [found] = Object.entries(sections).flatMap(([name, section]) =>
    isPlainObject(section) ? (imageProcessorOf({ name, section }, 'eval') ?? []) : [],
  );
  const size = tableAt(config, 'model').image_size;
  return found ?? loadImageProcessor('blip_image_eval', { name: 'blip_image_eval', image_size: size });
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
