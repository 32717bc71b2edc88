import { Worker } from 'node:worker_threads';
import { MEETING_FOLDER } from '../environment.js';

/** The number of the pipe that is open as long as the launcher lives. */
export const LIFELINE = 'LAVIS_LIFELINE_FD';

let held = false;

/** Ends this worker when its launcher ends, however that happens. Nothing without a launcher of ours. */
export function holdLifeline(env: Record<string, string | undefined> = process.env): void {
  const fd = Number(env[LIFELINE] ?? 0);
  if (held || !fd) return;
  held = true;
  const thread = new Worker(new URL('./lifeline_thread.js', import.meta.url), {
    workerData: { fd, folder: env[MEETING_FOLDER] },
  });
  thread.unref();
}
