import { resolve } from 'node:path';
import { log } from '../common/logging.js';
import { expandHome } from '../common/paths.js';
import { registry } from '../common/registry.js';
import type { Config } from '../config/index.js';
import {
  type CaptionModel,
  captionModel,
  checkedOptions,
  defaultConfigFile,
  type GenerateOptions,
  NO_NAMED_WEIGHTS,
  namedWeights,
} from '../models/index.js';
import { type ImageProcessor, loadImageProcessor } from '../processors/index.js';
import { newestCheckpoint } from '../runners/index.js';
import { chooseEngine } from '../runs/index.js';
import { buildModel, CaptionTask } from '../tasks/index.js';
import { UsageError } from './command.js';
import { type ConfigArguments, loadClasses, loadConfig } from './config_options.js';

/** What turns images into captions. */
export interface Captioner {
  model: CaptionModel;
  processor: ImageProcessor;
  /** What the YAML and the command line say of generation. */
  settings: GenerateOptions;
}

export interface CaptionerArguments extends Omit<ConfigArguments, 'cfg-path'> {
  'cfg-path'?: string;
  model?: string;
  'model-type'?: string;
  checkpoint?: string;
  device?: string;
  prompt?: string;
}

/**
 * The model, its processor and its settings that a command line names.
 * @param asked what the command line says of generation: it goes before the YAML
 * @throws LavisError, UsageError
 */
export async function loadCaptioner(args: CaptionerArguments, asked: GenerateOptions): Promise<Captioner> {
  const given = args['cfg-path'] ? await runConfig(args) : await zooConfig(args);
  const checkpoint = args.checkpoint ?? (args['cfg-path'] ? await trainedBy(given) : undefined);
  const model = {
    ...(checkpoint ? NO_NAMED_WEIGHTS : {}),
    ...(args.prompt === undefined ? {} : { prompt: args.prompt }),
  };
  // Which search it is decides on other defaults.
  const sampling = asked.useNucleusSampling;
  const run = sampling === undefined ? {} : { use_nucleus_sampling: sampling };
  const origin = checkpoint ? `--checkpoint ${checkpoint}` : 'lavis caption';
  const config = given.with({ model, run }, origin);
  const told = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const settings: GenerateOptions = { ...CaptionTask.setupTask(config).settings, ...told };
  checkedOptions(settings); // before weights are fetched and read
  await chooseEngine(config, args.device);
  const built = captionModel(await buildModel(config, { training: false }));
  if (checkpoint) await built.loadCheckpoint(checkpoint);
  built.eval();
  return {
    model: built,
    processor: evalProcessor(config.datasets, config.section('preprocess')),
    settings,
  };
}

/** The defaults of a model of the zoo, as if they were the YAML of a run. */
async function zooConfig(args: CaptionerArguments): Promise<Config> {
  const { model: arch } = args;
  if (!arch) throw new UsageError('--model NAME or --cfg-path FILE is needed');
  await loadClasses(args.plugin);
  registry.getModelClass(arch);
  return loadConfig(
    { ...args, 'cfg-path': defaultConfigFile(arch, args['model-type']) },
    {
      training: false,
      overrides: [
        { values: { run: { task: 'captioning' }, datasets: {} }, origin: 'lavis caption' },
        {
          values: { model: { arch, ...(args['model-type'] ? { model_type: args['model-type'] } : {}) } },
          origin: '--model',
        },
      ],
    },
  );
}

const runConfig = (args: CaptionerArguments) =>
  loadConfig({ ...args, 'cfg-path': args['cfg-path'] as string }, { training: false });

/**
 * The best checkpoint that a run of this configuration made; undefined where it made none, or where the
 * command line or an evaluation names other weights.
 * @throws UsageError when there are no weights at all: captions of weights that were never trained mean nothing.
 */
async function trainedBy(config: Config): Promise<string | undefined> {
  const named = namedWeights(config.model);
  const chosen = ['finetuned', 'pretrained'].some(
    (key) => config.originOf(`model.${key}`)?.kind === 'option',
  );
  if (named && (chosen || config.run.evaluate)) return undefined;
  const { output_dir } = config.run;
  const folder = resolve(expandHome(typeof output_dir === 'string' ? output_dir : 'output'));
  const found = await newestCheckpoint(folder, 'best');
  if (found) log.info(`With the weights that the run made: ${found}`);
  if (found || named) return found;
  throw new UsageError(`the YAML names no weights, and none were trained under ${folder}: --checkpoint FILE`);
}

/** The image processor of the first dataset's evaluation, else of the model's defaults. */
function evalProcessor(datasets: Record<string, unknown>, preprocess: unknown): ImageProcessor {
  for (const section of [...Object.values(datasets), preprocess]) {
    const processor = at(at(at(section, 'vis_processor'), 'eval'), 'name');
    if (typeof processor === 'string') {
      return loadImageProcessor(
        processor,
        at(at(section, 'vis_processor'), 'eval') as Record<string, unknown>,
      );
    }
  }
  return loadImageProcessor('blip_image_eval');
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
