import { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import { type Config, describeOrigin, key, launchSchema, types } from '../config/index.js';
import { stepScheduleSchema } from '../optim/index.js';

/** Keys of `run` that the runners read. */
export const trainingSchema = z.strictObject({
  lr_sched: key(types.text, 'constant_lr', 'The learning-rate schedule: a scheduler of `lavis zoo`.'),
  weight_decay: key(types.size, 0.05, 'Weight decay of AdamW; not for biases and norms.'),
  beta2: key(types.rate, 0.999, "AdamW's second beta; the first is 0.9."),
  lr_layer_decay: key(types.fraction, undefined, 'Accepted for LAVIS; BLIP has no layer-wise decay.'),
  max_epoch: key(types.natural, 1, 'Epochs of `runner_base`.'),
  batch_size_train: key(types.natural, 1, 'Samples per step on each worker.'),
  batch_size_eval: key(types.natural, 1, 'Samples per batch on each worker, in evaluations.'),
  num_workers: key(types.count, 0, 'Loader threads; 0 loads in the main thread.'),
  accum_grad_iters: key(types.natural, 1, 'Gradient accumulation: batches per optimizer step.'),
  clip_grad_norm: key(types.positive, undefined, 'Gradients are clipped to this norm.'),
  on_nan: key(
    z.enum(['stop', 'skip']),
    'stop',
    'What a NaN or infinite loss does: `stop` the run or `skip` the step.',
  ),
  max_bad_samples: key(
    types.count,
    0,
    'How many missing or broken images, over all workers, are skipped before the run stops.',
  ),
  log_freq: key(types.natural, 50, 'Steps between progress lines.'),
  save_freq: key(types.count, 5, 'Epochs between checkpoints; 0 saves none in between.'),
  save_last: key(types.flag, true, 'Save a checkpoint after the last epoch.'),
  save_every_iters: key(types.natural, undefined, 'Steps between saves of the newest state, to resume from.'),
  keep_last: key(
    types.natural,
    undefined,
    'How many checkpoints to keep besides the best one; all by default.',
  ),
  val_freq: key(types.natural, 1, 'Epochs between evaluations.'),
  patience: key(
    types.natural,
    undefined,
    'Training ends after this many evaluations in a row without a better `monitor` of the deciding split.',
  ),
  min_delta: key(types.size, 0, 'By how much `monitor` has to be better for `patience` to start anew.'),
  monitor: key(
    types.text,
    'agg_metrics',
    'What chooses the best checkpoint: a score of the task, or `val_loss`, the loss of the deciding split.',
  ),
  val_loss: key(
    types.flag,
    false,
    'The loss of valid splits too, one more pass over them without gradients; `monitor: val_loss` implies it.',
  ),
  resume_ckpt_path: key(types.text, undefined, 'A checkpoint to go on from.'),
  resume_changed: key(
    types.flag,
    false,
    "Go on although data, splits, batch size or workers are not the checkpoint's; an unfinished epoch begins again.",
  ),
  cache_image_embeds: key(
    types.flag,
    false,
    'Remember what a frozen image encoder makes of each image: computed once, kept in the cache, shared by later runs.',
  ),
  cache_views: key(
    types.natural,
    undefined,
    'How many random views of a training image, of the training processor, are remembered in place of the one that an evaluation sees.',
  ),
  cache_limit_gb: key(
    types.positive,
    20,
    'How much room the remembered images of all runs may take; `lavis cache` lists and clears them.',
  ),
  evaluate: key(types.flag, false, 'Only evaluate `test_splits`.'),
  quantize: key(
    z.enum(['int8']),
    undefined,
    'Evaluate with 8-bit weights, on the CPU: faster, with slightly different scores. Not for training.',
  ),
  hooks: key(
    z.array(
      z.union([
        types.text,
        z
          .record(types.text, z.looseObject({}).nullish())
          .refine(
            (named) => Object.keys(named).length === 1,
            'a name with its options, as {csv: {file: scores.csv}}',
          ),
      ]),
    ),
    [],
    'Loggers (`csv`, `mlflow`, `tensorboard`) and hooks of plug-ins, told of every stage of the run in this order: a name, or `{name: {options}}`.',
  ),
  train_splits: key(types.texts, ['train'], 'Splits to train on.'),
  valid_splits: key(
    types.texts,
    [],
    'Splits to evaluate after epochs; `val`, or else the first, decides which checkpoint is the best.',
  ),
  test_splits: key(types.texts, [], 'Splits to evaluate the best checkpoint on at the end.'),
  train_dataset_ratios: key(
    types.numbers,
    undefined,
    'Sampling ratio of each dataset, in the order of `datasets`.',
  ),
  use_dist_eval_sampler: key(
    types.flag,
    true,
    'Divide the samples of an evaluation among the workers; False: each evaluates all of them.',
  ),
});

/** And those of `runner_iter`. */
export const iterationsSchema = trainingSchema.extend({
  max_iters: key(types.natural, undefined, 'Iterations of `runner_iter`.'),
  iters_per_inner_epoch: key(types.natural, undefined, 'Iterations of `runner_iter` between evaluations.'),
});

const schema = z.object({ ...launchSchema.shape, ...iterationsSchema.shape, ...stepScheduleSchema.shape });
type Keys = z.output<typeof schema>;

type CamelCase<S> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S;

/**
 * The `run` section with its defaults, checked: the keys of the launch, of the runners and of the
 * schedules (`lavis config --schema` says what each means), in camel case.
 */
export type RunSettings = { [K in keyof Keys as CamelCase<K>]: Keys[K] } & {
  /** 0 in an evaluation that names none. */
  initLr: number;
  /** 0 unless iterations are counted. */
  maxIters: number;
};

/** A configuration never changes: what its `run` section says is read once, whoever asks. */
const known = new WeakMap<Config, RunSettings>();

/** @throws ConfigError for every wrong value: the key, where it was written, and what it may be. */
export function runSettings(config: Config): RunSettings {
  const settings = known.get(config) ?? Object.freeze(readSettings(config));
  known.set(config, settings);
  return settings;
}

function readSettings(config: Config): RunSettings {
  const run = config.read('run', schema);
  if (run.init_lr === undefined && !run.evaluate)
    throw missing(config, 'init_lr', 'a learning rate, as 1e-5');
  if (run.max_iters === undefined && run.runner === 'runner_iter') {
    throw missing(config, 'max_iters', 'how many iterations runner_iter trains, as 20000');
  }
  if (run.quantize !== undefined && !run.evaluate) {
    const origin = config.originOf('run.quantize');
    throw new ConfigError(
      'run.quantize is for evaluations: a model is trained with the weights that it has',
      {
        where: origin && describeOrigin(origin),
        found: run.quantize,
        help: 'lavis eval --options run.quantize=int8',
      },
    );
  }
  const filled = { ...run, init_lr: run.init_lr ?? 0, max_iters: run.max_iters ?? 0 };
  const camelCase = Object.entries(filled).map(([key, value]) => [
    key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.fromEntries(camelCase) as RunSettings;
}

/** The split that chooses the best checkpoint; undefined where nothing is evaluated. */
export const decisiveSplit = ({ validSplits }: Pick<RunSettings, 'validSplits'>): string | undefined =>
  validSplits.includes('val') ? 'val' : validSplits[0];

function missing(config: Config, key: string, allowed: string): ConfigError {
  const origin = config.originOf('run');
  return new ConfigError(`run.${key} is missing`, { where: origin && describeOrigin(origin), allowed });
}
