import { mapConcurrently } from '../../common/concurrently.js';
import { DataError } from '../../common/errors.js';
import { Rng } from '../../common/random.js';
import type { Sample, SampleJob } from '../types.js';

/** A sample to be read: in a worker by its job, here by `read`. */
export interface SampleTask {
  job?: SampleJob;
  /** Where its random numbers come from: the parts of an `Rng.of`. */
  rng: (number | string)[];
  read(rng: Rng): Promise<Sample>;
}

/** A sample, or why there is none. */
export type Outcome = { sample: Sample } | { bad: DataError };

/** Where samples are read. */
export interface Executor {
  /** How many batches are worth reading ahead. */
  readonly prefetch: number;
  /** One outcome a task, in order. Anything but a DataError is thrown. */
  run(tasks: SampleTask[]): Promise<Outcome[]>;
}

/** Reads in this thread; the decoding itself runs in the thread pool of libuv. */
export const here: Executor = {
  prefetch: 1,
  run: (tasks) => mapConcurrently(tasks, 8, ({ rng, read }) => readSample(() => read(Rng.of(...rng)))),
};

/** A DataError becomes an outcome. */
export async function readSample(read: () => Promise<Sample>): Promise<Outcome> {
  try {
    return { sample: await read() };
  } catch (thrown) {
    if (thrown instanceof DataError) return { bad: thrown };
    throw thrown;
  }
}
