import { resolve } from 'node:path';
import { CheckpointError, ConfigError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { expandHome, resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { Config, type ConfigOptions, defaultFileOf, type PlainObject } from '../config/index.js';
import {
  BaseModel,
  beneathCheckpoint,
  generationKeys,
  locateWeights,
  type Model,
  namedWeights,
  quantizeModel,
} from '../models/index.js';
import {
  type ImageProcessor,
  imageProcessorOf,
  loadImageProcessor,
  loadTextProcessor,
  type TextProcessor,
  textProcessorOf,
} from '../processors/index.js';
import { newestCheckpoint } from '../runners/index.js';
import { chooseEngine } from '../runs/index.js';
import { buildModel } from '../tasks/index.js';
import { configBeside, recordedConfig, tableAt } from './recorded_config.js';

/** Which model is meant: published weights of the zoo, those of a run, or a file. */
export interface ModelSource {
  /** The YAML of a run; `arch` and `modelType` are not looked at beside it. */
  cfgPath?: string;
  /** `key=value`, over the YAML's values or the zoo's. */
  options?: readonly string[];
  /** Whether keys that nobody knows are left alone. */
  allowUnknown?: boolean;
  /** Architecture of the zoo. */
  arch?: string;
  /** The first type of the architecture by default. */
  modelType?: string;
  /** Weights; else the best that the YAML's run made, or those that the YAML or the zoo names. */
  checkpoint?: string;
  /** Folder of a LoRA adapter, of a run or of PEFT, over the weights that the YAML or the zoo names. */
  adapter?: string;
  /** Multiplies with weights of 8 bits, on the CPU; `run.quantize` by default. */
  quantize?: 'int8';
}

/** A YAML as a model is built from it: with the source's options, its cache root in use. @throws ConfigError */
export async function configOf(
  { options, allowUnknown }: ModelSource,
  path: string,
  { withoutTask, overrides }: Pick<ConfigOptions, 'overrides'> & { withoutTask?: boolean } = {},
): Promise<Config> {
  const check = { training: false, withoutTask, allowUnknown };
  const config = await Config.fromFile(path, options, { check, overrides });
  config.useCacheRoot();
  return config;
}

/** What a caller wants of a model. */
export interface Use<M extends Model> {
  /** Who uses it, as the origin of the values that it sets: `lavis ask`. */
  caller: string;
  /** The architecture, unless the source names one. */
  arch: string;
  /** As `--device` says; `run.device` by default. */
  device?: string;
  /** What texts go through where no section says so. */
  textProcessor?: string;
  /** What the caller puts over configuration and defaults. */
  values?: { model?: PlainObject; run?: PlainObject };
  /** Hears of the configuration before weights are fetched and read. @throws LavisError */
  check?(config: Config): void;
  /** The model as one that the caller can use. @throws ConfigError where it cannot. */
  accept(model: Model): M;
}

/** A model in evaluation, and what prepares images and texts for it. */
export interface UsedModel<M extends Model> {
  model: M;
  processor: ImageProcessor;
  textProcessor: TextProcessor;
}

/**
 * The model that a source names, with its weights, ready for use. Plug-ins are loaded before.
 * @throws LavisError
 */
export async function useModel<M extends Model>(source: ModelSource, use: Use<M>): Promise<UsedModel<M>> {
  const { cfgPath, adapter } = source;
  const given =
    cfgPath === undefined
      ? ((await recordOf(source, use)) ?? (await zooConfig(source, use)))
      : await runConfig(source, cfgPath, use);
  refuseOthers(String(given.model.arch), use);
  const named = cfgPath === undefined || adapter !== undefined; // an adapter goes over the base that the YAML names
  const checkpoint = source.checkpoint ?? (named ? undefined : await trainedBy(given));
  const asked = { ...use.values?.model, ...(adapter === undefined ? {} : { lora: null, adapter: null }) };
  const model = { ...(checkpoint ? beneathCheckpoint({ ...given.model, ...asked }) : {}), ...asked };
  const origin = checkpoint ? `--checkpoint ${checkpoint}` : use.caller;
  const { quantize = given.run.quantize } = source;
  const run = { ...use.values?.run, ...(quantize ? { quantize } : {}) };
  const config = given.with({ model, run }, origin);
  use.check?.(config);
  const processors = evalProcessors(config, use.textProcessor);
  await chooseEngine(config, use.device);
  const built = use.accept(await buildModel(config, { training: false }));
  if (checkpoint) await built.loadCheckpoint(checkpoint);
  if (adapter !== undefined) await withAdapter(built, resolve(expandHome(adapter)));
  built.mergeAdapter?.();
  if (quantize) quantizeModel(built);
  built.eval();
  return { model: built, ...processors };
}

async function withAdapter(model: Model, folder: string): Promise<void> {
  if (model.loadAdapter) return model.loadAdapter(folder);
  throw new ConfigError(`${model.constructor.name} takes no adapter`, { where: folder });
}

/** Says of an architecture of ours, before its weights are fetched, that it is of no use. @throws ConfigError */
function refuseOthers(arch: string, { accept }: Pick<Use<Model>, 'accept'>): void {
  const { prototype } = registry.getModelClass(arch) as unknown as { prototype: Model };
  if (prototype instanceof BaseModel) accept(prototype);
}

/** A model needs no task and no data to be used. */
const NO_RUN = { run: {}, datasets: {} };

/** The defaults of a model of the zoo, as if they were the YAML of a run. */
function zooConfig(source: ModelSource, { caller, arch: usual }: Use<Model>): Promise<Config> {
  const { arch = usual } = source;
  const [first] = Object.keys(registry.getModelClass(arch).defaultConfigs);
  const { modelType = first } = source;
  return configOf(source, resolveFile(defaultFileOf('model', arch, modelType)), {
    withoutTask: true,
    overrides: [
      { values: NO_RUN, origin: caller },
      { values: { model: { arch, model_type: modelType } }, origin: '--model' },
    ],
  });
}

/** What a run recorded in its weights, unless they are said to be something else; undefined where it did not. */
async function recordOf(source: ModelSource, { caller }: Use<Model>): Promise<Config | undefined> {
  const { checkpoint, arch, modelType } = source;
  if (checkpoint === undefined || modelType !== undefined) return undefined;
  const path = await locateWeights(checkpoint, '--checkpoint FILE');
  const record = (await recordedConfig(path)) ?? (await configBeside(path));
  if (record === undefined) return undefined;
  const model = tableAt(record, 'model');
  if (arch !== undefined && arch !== model.arch) return undefined;
  const { defaultConfigs } = registry.getModelClass(String(model.arch));
  const types = Object.keys(defaultConfigs);
  const type = types.find((name) => name === model.model_type) ?? types[0];
  const run = tableAt(record, 'run');
  const generation = Object.keys(generationKeys).filter((key) => run[key] != null);
  const [dataset] = Object.values(tableAt(record, 'datasets')).map((section) => ({
    vis_processor: tableAt(section, 'vis_processor'),
    text_processor: tableAt(section, 'text_processor'),
  }));
  const values = {
    model: { ...model, model_type: type },
    run: Object.fromEntries(generation.map((key) => [key, run[key]])),
    ...((dataset ?? record.preprocess) ? { preprocess: dataset ?? record.preprocess } : {}),
  };
  const defaults = resolveFile(defaultFileOf('model', String(model.arch), type));
  return configOf(source, defaults, {
    withoutTask: true,
    overrides: [
      { values: NO_RUN, origin: caller },
      { values, origin: checkpoint },
    ],
  });
}

const runConfig = (source: ModelSource, path: string, { caller }: Use<Model>) =>
  configOf(source, path, { withoutTask: true, overrides: [{ values: NO_RUN, origin: caller }] });

/**
 * The best checkpoint that a run of this configuration made; undefined where it made none, or where the
 * `--options` or an evaluation names other weights.
 * @throws CheckpointError when there are no weights at all: what weights say that were never trained means nothing.
 */
async function trainedBy(config: Config): Promise<string | undefined> {
  const named = namedWeights(config.model)?.place;
  // Beside adapters, which a run made, the weights that are named are their base.
  const chosen =
    !config.model.lora &&
    ['finetuned', 'pretrained'].some((key) => config.originOf(`model.${key}`)?.kind === 'option');
  if (named && (chosen || config.run.evaluate)) return undefined;
  const { output_dir } = config.run;
  const folder = resolve(expandHome(typeof output_dir === 'string' ? output_dir : 'output'));
  const found = await newestCheckpoint(folder, 'best');
  if (found) log.info(`With the weights that the run made: ${found}`);
  if (found || named) return found;
  throw new CheckpointError(`the YAML names no weights, and none were trained under ${folder}`, {
    help: '--checkpoint FILE',
  });
}

/** What prepares images and texts: of the first dataset's evaluation, else of the model's defaults. */
function evalProcessors(
  config: Config,
  usualText = 'blip_caption',
): Pick<UsedModel<Model>, 'processor' | 'textProcessor'> {
  const datasets = Object.entries(config.datasets).map(([name, section]) => ({
    name: `datasets.${name}`,
    section,
  }));
  const owners = [...datasets, { name: 'preprocess', section: config.section('preprocess') }];
  const [processor] = owners.flatMap((owner) => imageProcessorOf(owner, 'eval') ?? []);
  const [textProcessor] = owners.flatMap((owner) => textProcessorOf(owner, 'eval') ?? []);
  return {
    processor: processor ?? loadImageProcessor('blip_image_eval'),
    textProcessor: textProcessor ?? loadTextProcessor(usualText),
  };
}

/** Options without those that are undefined, which are left to the YAML. */
export const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
