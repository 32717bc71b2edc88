import type { ModelSource } from '../inference/index.js';
import { UsageError } from './command.js';
import { type ConfigArguments, configOptions, loadClasses } from './config_options.js';

const cfgPath = { ...configOptions['cfg-path'], demandOption: false } as const;

/** The options of every command that uses a model: published weights, or those of a run. */
export const modelOptions = (arch: string, type: string) =>
  ({
    ...configOptions,
    'cfg-path': {
      ...cfgPath,
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
      describe:
        'Weights; of a run, they say alone which model it is. With --cfg-path the best that its run made, else those that the YAML names',
    },
    adapter: {
      type: 'string',
      requiresArg: true,
      describe:
        'Folder of a LoRA adapter, from a run or from PEFT, over the weights that --model or the YAML names',
    },
    device: { type: 'string', requiresArg: true, describe: 'auto, cpu, cuda or webgpu' },
    quantize: {
      choices: ['int8'],
      requiresArg: true,
      describe: 'Use 8-bit weights: faster on a CPU, and a little less exact',
    },
  }) as const;

/** The options of commands that build the model of a checkpoint. */
export const checkpointModelOptions = {
  ...configOptions,
  'cfg-path': { ...cfgPath, describe: 'YAML of the run; the record in the checkpoint unless given' },
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

export interface ModelArguments extends Omit<ConfigArguments, 'cfg-path'> {
  'cfg-path'?: string;
  model?: string;
  'model-type'?: string;
  checkpoint?: string;
  adapter?: string;
  quantize?: 'int8';
}

/**
 * The model that a command line names, its plug-ins loaded.
 * @throws UsageError where a YAML and a model of the zoo both say which it is; ConfigError for a plug-in
 */
export async function modelSource(args: ModelArguments): Promise<ModelSource> {
  const named = (['model', 'model-type'] as const).find((option) => args[option] !== undefined);
  if (named && args['cfg-path'] !== undefined) {
    throw new UsageError(
      `--${named} and --cfg-path both say which model it is: give one of them, or --options ${named === 'model' ? 'model.arch' : 'model.model_type'}=${args[named]}`,
    );
  }
  return checkpointModelSource(args);
}

/** The same for a checkpoint, where --cfg-path goes before --model. @throws ConfigError for a plug-in */
export async function checkpointModelSource(args: ModelArguments): Promise<ModelSource> {
  await loadClasses(args.plugin);
  return {
    cfgPath: args['cfg-path'],
    options: args.options,
    allowUnknown: args['allow-unknown'],
    arch: args.model,
    modelType: args['model-type'],
    checkpoint: args.checkpoint,
    adapter: args.adapter,
    quantize: args.quantize,
  };
}
