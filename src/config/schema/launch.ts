import { z } from 'zod';
import { key, needed, types as t } from './key.js';

/** Keys of `run` that belong to no class: which classes, where, on what. */
export const launchSchema = z.strictObject({
  task: needed(t.text, 'What is trained and evaluated: a task of `lavis zoo`.'),
  runner: key(t.text, 'runner_base', '`runner_base` counts epochs, `runner_iter` counts iterations.'),
  output_dir: key(t.text, 'output', 'Results go to a subfolder named after the start time.'),
  seed: key(t.integer, 42, 'Seeds every random number of the run.'),
  device: key(t.device, 'auto', '`auto`, `cpu`, `cuda`, `cuda:1`, `webgpu`, `webgpu:0`.'),
  gpu: key(t.count, undefined, 'Index of the `cuda` or `webgpu` GPU, from 0; launched workers get one each.'),
  amp: key(
    t.flag,
    false,
    'Mixed precision: float16 matrix products and saved activations on webgpu; elsewhere float32 is used, and the log says so.',
  ),
  threads: key(
    t.natural,
    undefined,
    'Threads of the CPU engine; by default each worker gets its share of the cores.',
  ),
  distributed: key(t.flag, true, 'False: a single worker, even under a launcher.'),
  world_size: key(t.natural, undefined, 'Accepted for LAVIS, as `distributed`.'),
  dist_url: key(t.text, undefined, 'Accepted for LAVIS; workers find each other through the environment.'),
  dist_backend: key(
    z.enum(['auto', 'local', 'mpi', 'nccl', 'gloo']),
    'auto',
    "How workers communicate: `local` on one machine, `mpi` across machines; LAVIS's `nccl` and `gloo` mean `auto`.",
  ),
  dist_timeout: key(t.positive, undefined, 'Seconds that a worker waits for the others before it gives up.'),
  rank: key(t.count, undefined, 'Accepted for LAVIS; taken from the environment.'),
});
