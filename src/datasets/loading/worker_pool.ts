import { resolve } from 'node:path';
import Tinypool from 'tinypool';
import { DataError } from '../../common/errors.js';
import type { Readers } from '../types.js';
import type { Executor, Outcome, SampleTask } from './executor.js';
import type { WorkerOutcome, WorkerRequest } from './readers.js';

export interface WorkerPoolOptions {
  /** What the samples are read by. */
  readers: Readers;
  /** Modules that register a user's own classes. */
  plugins?: readonly string[];
  /** Batches read ahead. */
  prefetch?: number;
}

/**
 * Worker threads that read samples. A training step may block this thread for seconds, so every worker
 * is given its shares of all batches ahead at once and never waits for this thread to hand out the next.
 */
export class WorkerPool implements Executor {
  readonly prefetch: number;
  readonly #pool: Tinypool;
  readonly #plugins: string[];

  constructor(
    readonly size: number,
    { readers, plugins = [], prefetch = 2 }: WorkerPoolOptions,
  ) {
    this.prefetch = prefetch;
    this.#plugins = plugins.map((path) => resolve(path));
    this.#pool = new Tinypool({
      filename: new URL('./worker.js', import.meta.url).href,
      runtime: 'worker_threads',
      workerData: readers,
      minThreads: size,
      maxThreads: size,
      concurrentTasksPerWorker: prefetch + 1,
    });
  }

  async run(tasks: SampleTask[]): Promise<Outcome[]> {
    const share = Math.ceil(tasks.length / this.size);
    const shares: Promise<Outcome[]>[] = [];
    for (let i = 0; i < tasks.length; i += share) shares.push(this.#send(tasks.slice(i, i + share)));
    return (await Promise.all(shares)).flat();
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #send(tasks: SampleTask[]): Promise<Outcome[]> {
    const request: WorkerRequest = {
      plugins: this.#plugins,
      tasks: tasks.map(({ job, rng }) => ({ job: job!, rng })),
    };
    const outcomes = (await this.#pool.run(request)) as WorkerOutcome[];
    return outcomes.map((o) => ('sample' in o ? o : { bad: new DataError(o.headline, o.details) }));
  }
}
