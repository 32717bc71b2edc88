import { DataError } from '../../common/errors.js';
import type { Batch, Readers, Sample } from '../types.js';
import type { BadSamples } from './bad_samples.js';
import type { LoadingOptions } from './batch_source.js';
import { type Executor, here, type Outcome, type SampleTask } from './executor.js';
import { WorkerPool } from './worker_pool.js';

/** Where a loader's samples are read: in this thread, or in workers. */
export class Reading {
  readonly #options: LoadingOptions;
  #pool?: WorkerPool;

  constructor(options: LoadingOptions) {
    this.#options = options;
  }

  /** @param readers of the samples; without them, they are read in this thread. */
  executor(readers: Readers | undefined): Executor {
    const { numWorkers = 0, plugins } = this.#options;
    if (numWorkers === 0 || !readers) return here;
    return (this.#pool ??= new WorkerPool(numWorkers, { plugins, readers }));
  }

  /** Ends the workers that were started here. */
  async close(): Promise<void> {
    await this.#pool?.close();
    this.#pool = undefined;
  }
}

/** A sample to read, its number for reports, and what stands in when it is bad. */
export interface SampleTry {
  task: SampleTask;
  index: number | string;
  /** The next in a fixed order; undefined when there is none left. */
  next(): SampleTry | undefined;
}

export interface BatchParts {
  name: string;
  badSamples: BadSamples;
  collate(samples: Sample[]): Batch;
}

/**
 * Reads one batch. A bad sample is reported and replaced by the next good one of its order, the same
 * whoever asks and whenever.
 */
export async function readBatch(
  candidates: SampleTry[],
  executor: Executor,
  { name, badSamples, collate }: BatchParts,
): Promise<Batch> {
  const outcomes = await executor.run(candidates.map(({ task }) => task));
  const samples: Sample[] = [];
  // One after the other, so that bad samples are counted in the order of the batch.
  for (const [i, first] of outcomes.entries()) {
    let outcome: Outcome = first;
    let candidate: SampleTry | undefined = candidates[i];
    while (!('sample' in outcome)) {
      badSamples.report(name, candidate.index, outcome.bad);
      candidate = candidate.next();
      if (!candidate) throw new DataError(`no sample of ${name} can be read`, { cause: outcome.bad });
      [outcome] = await executor.run([candidate.task]);
    }
    samples.push(outcome.sample);
  }
  return collate(samples);
}

/**
 * The results of `start(first)` … `start(end - 1)`, in order, with up to `ahead` more already started
 * while the consumer works on one.
 */
export async function* prefetched<T>(
  first: number,
  end: number,
  ahead: number,
  start: (i: number) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const started: Promise<T>[] = [];
  let next = first;
  for (let i = first; i < end; i++) {
    for (; next < end && next <= i + ahead; next++) {
      const result = start(next);
      // Its error is thrown when its turn comes; a consumer that leaves earlier never sees it.
      result.catch(() => {});
      started.push(result);
    }
    yield await started.shift()!;
  }
}
