import { resolve } from 'node:path';
import { log } from '../common/logging.js';
import { expandHome, resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { type Config, defaultFileOf, type PlainObject } from '../config/index.js';
import { BaseModel, beneathCheckpoint, type Model, namedWeights } from '../models/index.js';
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
import { UsageError } from './command.js';
import { type ConfigArguments, configOptions, loadClasses, loadConfig } from './config_options.js';

/** The options of every command that uses a model: published weights, or those of a run. */
export const modelOptions = (arch: string, type: string) =>
  ({
    ...configOptions,
    'cfg-path': {
      ...configOptions['cfg-path'],
      demandOption: false,
      describe: 'YAML of a run, for a model that you trained; the published weights of --model unless given',
    },
    model: {
      type: 'string',
      requiresArg: true,
      defaultDescription: arch,
      describe: 'Architecture of lavis zoo, with weights that are fetched once',
    },
    'model-type': {
      type: 'string',
      requiresArg: true,
      describe: `Type of --model; ${type}, the first that lavis zoo lists, unless given`,
    },
    checkpoint: {
      type: 'string',
      requiresArg: true,
      describe: 'Weights; with --cfg-path the best that its run made, else those that the YAML names',
    },
    adapter: {
      type: 'string',
      requiresArg: true,
      describe:
        'Folder of a LoRA adapter, of a run or of PEFT, over the weights that --model or the YAML names',
    },
    device: { type: 'string', requiresArg: true, describe: 'auto, cpu, cuda or webgpu' },
  }) as const;

export interface ModelArguments extends Omit<ConfigArguments, 'cfg-path'> {
  'cfg-path'?: string;
  model?: string;
  'model-type'?: string;
  checkpoint?: string;
  adapter?: string;
  device?: string;
}

/** What a command wants of a model. */
export interface Use<M extends Model> {
  /** As the user calls it, for messages: `lavis ask`. */
  command: string;
  /** The architecture, unless the command line names one. */
  arch: string;
  /** What texts go through where no section says so. */
  textProcessor?: string;
  /** What the command line puts over configuration and defaults. */
  values?: { model?: PlainObject; run?: PlainObject };
  /** Hears of the configuration before weights are fetched and read. @throws LavisError */
  check?(config: Config): void;
  /** The model as one that the command can use. @throws ConfigError where it cannot. */
  accept(model: Model): M;
}

/** A model in evaluation, and what prepares images and texts for it. */
export interface UsedModel<M extends Model> {
  model: M;
  processor: ImageProcessor;
  textProcessor: TextProcessor;
}

/**
 * The model that a command line names, with its weights.
 * @throws LavisError, UsageError
 */
export async function useModel<M extends Model>(args: ModelArguments, use: Use<M>): Promise<UsedModel<M>> {
  const { 'cfg-path': path } = args;
  const given = path === undefined ? await zooConfig(args, use) : await runConfig(args, path, use);
  refuseOthers(String(given.model.arch), use);
  const { adapter } = args;
  const named = path === undefined || adapter !== undefined; // an adapter goes over the base that the YAML names
  const checkpoint = args.checkpoint ?? (named ? undefined : await trainedBy(given));
  const asked = { ...use.values?.model, ...(adapter === undefined ? {} : { lora: null, adapter: null }) };
  const model = { ...(checkpoint ? beneathCheckpoint({ ...given.model, ...asked }) : {}), ...asked };
  const origin = checkpoint ? `--checkpoint ${checkpoint}` : use.command;
  const config = given.with({ model, run: use.values?.run ?? {} }, origin);
  use.check?.(config);
  const processors = evalProcessors(config, use.textProcessor);
  await chooseEngine(config, args.device);
  const built = use.accept(await buildModel(config, { training: false }));
  if (checkpoint) await built.loadCheckpoint(checkpoint);
  if (adapter !== undefined) await withAdapter(built, resolve(expandHome(adapter)));
  built.mergeAdapter?.();
  built.eval();
  return { model: built, ...processors };
}

async function withAdapter(model: Model, folder: string): Promise<void> {
  if (model.loadAdapter) return model.loadAdapter(folder);
  throw new UsageError(`--adapter is not for ${model.constructor.name}, which takes none`);
}

/** Says of an architecture of ours, before its weights are fetched, that it is of no use. @throws ConfigError */
function refuseOthers(arch: string, { accept }: Pick<Use<Model>, 'accept'>): void {
  const { prototype } = registry.getModelClass(arch) as unknown as { prototype: Model };
  if (prototype instanceof BaseModel) accept(prototype);
}

/** A model needs no task and no data to be used. */
const NO_RUN = { run: {}, datasets: {} };

/** The defaults of a model of the zoo, as if they were the YAML of a run. */
async function zooConfig(args: ModelArguments, { command, arch: usual }: Use<Model>): Promise<Config> {
  const { model: arch = usual } = args;
  await loadClasses(args.plugin);
  const [first] = Object.keys(registry.getModelClass(arch).defaultConfigs);
  const { 'model-type': type = first } = args;
  return loadConfig(
    { ...args, 'cfg-path': resolveFile(defaultFileOf('model', arch, type)) },
    {
      training: false,
      withoutTask: true,
      overrides: [
        { values: NO_RUN, origin: command },
        { values: { model: { arch, model_type: type } }, origin: '--model' },
      ],
    },
  );
}

/** @throws UsageError where the command line names a model of the zoo too */
function runConfig(args: ModelArguments, path: string, { command }: Use<Model>): Promise<Config> {
  const named = (['model', 'model-type'] as const).find((option) => args[option] !== undefined);
  if (named) {
    throw new UsageError(
      `--${named} and --cfg-path both say which model it is: give one of them, or --options ${named === 'model' ? 'model.arch' : 'model.model_type'}=${args[named]}`,
    );
  }
  return loadConfig(
    { ...args, 'cfg-path': path },
    { training: false, withoutTask: true, overrides: [{ values: NO_RUN, origin: command }] },
  );
}

/**
 * The best checkpoint that a run of this configuration made; undefined where it made none, or where the
 * command line or an evaluation names other weights.
 * @throws UsageError when there are no weights at all: what weights say that were never trained means nothing.
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
  throw new UsageError(`the YAML names no weights, and none were trained under ${folder}: --checkpoint FILE`);
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
