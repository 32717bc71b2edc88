import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { shareOfProcessors, threadsOfProcess } from '../../common/threads.js';

/** How a worker ended. */
export interface WorkerEnd {
  readonly rank: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const TAIL_LINES = 25;

/** One rank's process. Rank 0 writes to our terminal itself; the others' lines are marked with their rank. */
export class WorkerProcess {
  readonly rank: number;
  readonly ended: Promise<WorkerEnd>;
  readonly #child: ChildProcess;
  readonly #tail: string[] = [];
  #alive = true;

  constructor(rank: number, command: readonly string[], env: NodeJS.ProcessEnv) {
    this.rank = rank;
    const output = rank === 0 ? 'inherit' : 'pipe';
    this.#child = spawn(process.execPath, [...process.execArgv, ...command], {
      env,
      stdio: ['ignore', output, output, 'pipe'],
    });
    this.#child.stdio[3]?.on('error', () => {}); // The worker's end of the lifeline has closed.
    const relays = [
      this.#relay(this.#child.stdout, process.stdout, false),
      this.#relay(this.#child.stderr, process.stderr, true),
    ];
    this.ended = new Promise((resolve) => {
      const end = async (code: number | null, signal: NodeJS.Signals | null) => {
        this.#alive = false;
        await Promise.all(relays);
        resolve({ rank, code, signal });
      };
      this.#child.once('exit', end);
      this.#child.once('error', (error) => {
        this.#tail.push(error.message);
        void end(1, null);
      });
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The last lines on its standard error; none for rank 0, whose lines we do not see. */
  get lastLines(): readonly string[] {
    return this.#tail;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#alive) this.#child.kill(signal);
  }

  async #relay(from: Readable | null, to: NodeJS.WriteStream, keep: boolean): Promise<void> {
    if (!from) return;
    for await (const line of createInterface({ input: from })) {
      to.write(`[rank ${this.rank}] ${line}\n`);
      if (!keep) continue;
      this.#tail.push(line);
      if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    }
  }
}

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
