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
