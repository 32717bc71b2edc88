import { shareOfProcessors, threadsOfProcess } from '../../common/threads.js';

/**
 * What each worker of a machine gets: its own GPU, in turn, where there are any; an equal part of the
 * CPU's threads otherwise. Settings that the user made stay, and a lone worker chooses its GPU itself.
 * @throws EngineError for a LAVIS_THREADS that is not a number of threads
 * @param gpus as `visibleGpus` lists them; none for a run on the CPU
 */
export function workerDevices(
  workers: number,
  localRank: number,
  gpus: readonly string[],
  env: Record<string, string | undefined>,
) {
  const devices: Record<string, string> = {};
  if (gpus.length > 0 && workers > 1) devices.CUDA_VISIBLE_DEVICES = gpus[localRank % gpus.length];
  devices.LAVIS_THREADS = String(threadsOfProcess({ env, processes: workers }));
  devices.OMP_NUM_THREADS = env.OMP_NUM_THREADS || String(shareOfProcessors({ env, processes: workers }));
  return devices;
}
