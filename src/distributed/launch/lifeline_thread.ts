import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';

/**
 * A thread that waits for the launcher's end of a pipe to close, and then kills the process: also one whose
 * main thread computes, or hangs.
 */
const { fd, folder } = workerData as { fd: number; folder?: string };
const die = () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  process.kill(process.pid, 'SIGKILL');
};
new Socket({ fd, readable: true, writable: false }).on('end', die).on('error', die).on('close', die).resume();
