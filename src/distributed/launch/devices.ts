import { spawnSync } from 'node:child_process';
import { shareOfProcessors, threadsOfProcess } from '../../common/threads.js';

type Environment = Record<string, string | undefined>;

/** The GPUs that this process may use: CUDA_VISIBLE_DEVICES, or those that nvidia-smi lists. */
export function visibleGpus(env: Environment = process.env): string[] {
  const visible = env.CUDA_VISIBLE_DEVICES;
  if (visible !== undefined)
    return visible
      .split(',')
      .map((id) => id.trim())
      .filter((id) => id && id !== '-1');
  const query = spawnSync('nvidia-smi', ['--query-gpu=index', '--format=csv,noheader'], { encoding: 'utf8' });
  return query.status === 0
    ? query.stdout
        .split('\n')
        .map((id) => id.trim())
        .filter(Boolean)
    : [];
}

/**
 * What each worker of a machine gets: its own GPU, in turn, where there are any; an equal part of the
 * CPU's threads otherwise. Settings that the user made stay.
 * @throws EngineError for a LAVIS_THREADS that is not a number of threads
 * @param gpus as `visibleGpus` lists them; none for a run on the CPU
 */
export function workerDevices(workers: number, localRank: number, gpus: readonly string[], env: Environment) {
  const devices: Record<string, string> = {};
  if (gpus.length > 0) devices.CUDA_VISIBLE_DEVICES = gpus[localRank % gpus.length];
  devices.LAVIS_THREADS = String(threadsOfProcess({ env, processes: workers }));
  devices.OMP_NUM_THREADS = env.OMP_NUM_THREADS || String(shareOfProcessors({ env, processes: workers }));
  return devices;
}
