import { z } from 'zod';
import { key, needed, types as t } from './key.js';

/** Keys of `run` that belong to no class: which classes, where, on what. */
export const launchSchema = z.strictObject({
  task: needed(t.text, 'What is trained and evaluated: a task of `lavis zoo`.'),
  runner: key(t.text, 'runner_base', '`runner_base` counts epochs, `runner_iter` counts iterations.'),
  output_dir: key(t.text, 'output', 'Results go to a folder in it, named after the time of the start.'),
  seed: key(t.integer, 42, 'Every random number of the run comes from it.'),
  device: key(t.device, 'auto', '`auto`, `cpu`, `cuda`, `cuda:1`, `webgpu`, `webgpu:0`.'),
  gpu: key(
    t.count,
    undefined,
    'Which GPU of `cuda` or `webgpu`, from 0; each worker of a launcher has its own.',
  ),
  amp: key(
    t.flag,
    false,
    'Mixed precision: products and kept activations in float16 on webgpu; elsewhere a line says that float32 is used.',
  ),
  threads: key(
    t.natural,
    undefined,
    'Threads of the CPU engine; each worker has its share of the cores unless given.',
  ),
  distributed: key(t.flag, true, 'False keeps to one worker, whatever launcher started it.'),
  world_size: key(t.natural, undefined, 'Accepted for LAVIS, as `distributed`.'),
  dist_url: key(t.text, undefined, 'Accepted for LAVIS; workers find each other by the environment.'),
  dist_backend: key(
    z.enum(['auto', 'local', 'mpi', 'nccl', 'gloo']),
    'auto',
    "How workers talk: `local` on one machine, `mpi` over several; LAVIS's `nccl` and `gloo` count as `auto`.",
  ),
  dist_timeout: key(t.positive, undefined, 'Seconds that a worker waits for the others before it gives up.'),
  rank: key(t.count, undefined, 'Accepted for LAVIS; the environment says it.'),
});

/** Keys of `run` that the runners read. */
export const trainingSchema = z.strictObject({
  lr_sched: key(t.text, 'constant_lr', 'The learning-rate schedule: a scheduler of `lavis zoo`.'),
  weight_decay: key(t.size, 0.05, 'Decay of AdamW, decoupled; not for biases and norms.'),
  beta2: key(t.rate, 0.999, "AdamW's second beta; the first is 0.9."),
  lr_layer_decay: key(t.fraction, undefined, 'Accepted for LAVIS; BLIP captioning has no decay by layer.'),
  max_epoch: key(t.natural, 1, 'Epochs of `runner_base`.'),
  max_iters: key(t.natural, undefined, 'Iterations of `runner_iter`.'),
  iters_per_inner_epoch: key(t.natural, undefined, 'Iterations of `runner_iter` between evaluations.'),
  batch_size_train: key(t.natural, 1, 'Samples a step on each worker.'),
  batch_size_eval: key(t.natural, 1, 'Samples a batch on each worker, in evaluations.'),
  num_workers: key(t.count, 0, 'Threads that load and augment; 0 loads in the main thread.'),
  accum_grad_iters: key(t.natural, 1, 'Batches whose gradients are added up before a step.'),
  clip_grad_norm: key(t.positive, undefined, 'Gradients longer than this are scaled down to it.'),
  on_nan: key(
    z.enum(['stop', 'skip']),
    'stop',
    'What a loss that is no number does: `stop` the run, `skip` the step.',
  ),
  max_bad_samples: key(t.count, 0, 'Missing or broken images that are skipped before the run gives up.'),
  log_freq: key(t.natural, 50, 'Steps between lines of progress.'),
  save_freq: key(t.count, 5, 'Epochs between checkpoints; 0 saves none in between.'),
  save_last: key(t.flag, true, 'A checkpoint after the last epoch.'),
  save_every_iters: key(t.natural, undefined, 'Steps between saves of the newest state, to resume from.'),
  keep_last: key(t.natural, undefined, 'How many checkpoints stay, the best one apart; all unless given.'),
  val_freq: key(t.natural, 1, 'Epochs between evaluations.'),
  resume_ckpt_path: key(t.text, undefined, 'A checkpoint to go on from.'),
  evaluate: key(t.flag, false, 'Only evaluate `test_splits`.'),
  train_splits: key(t.texts, ['train'], 'Splits that are trained on.'),
  valid_splits: key(
    t.texts,
    [],
    'Splits that are evaluated after epochs; `val` chooses the best checkpoint.',
  ),
  test_splits: key(t.texts, [], 'Splits that the best checkpoint is evaluated on at the end.'),
  train_dataset_ratios: key(
    t.numbers,
    undefined,
    'How often each dataset is drawn from, in the order of `datasets`.',
  ),
  use_dist_eval_sampler: key(
    t.flag,
    true,
    'Workers share out the samples of an evaluation; False: each evaluates all of them.',
  ),
});

/** Keys of `run` that the learning-rate schedules read. */
export const scheduleSchema = z.strictObject({
  init_lr: key(t.size, undefined, 'The learning rate after warm-up.'),
  min_lr: key(t.size, 0, 'The learning rate that decay ends at.'),
  warmup_lr: key(t.number, -1, 'Where warm-up starts; below 0: at `init_lr`.'),
  warmup_steps: key(t.count, 0, 'Steps of the first epoch over which the rate rises.'),
  lr_decay_rate: key(t.positive, undefined, 'Factor an epoch, of `linear_warmup_step_lr`.'),
});
