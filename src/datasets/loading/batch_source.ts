import type { Batch } from '../types.js';
import type { BadSamples } from './bad_samples.js';

export interface EpochOptions {
  /** Batches that a resumed run has already seen; none of their images is read. */
  skipBatches?: number;
}

/** What a runner takes batches from. */
export interface BatchSource {
  readonly name: string;
  readonly batchesPerEpoch: number;
  readonly badSamples: BadSamples;
  epoch(epoch: number, options?: EpochOptions): AsyncIterable<Batch>;
  close(): Promise<void>;
}

export interface LoadingOptions {
  /** 0 reads in this thread. */
  numWorkers?: number;
  seed?: number;
  rank?: number;
  worldSize?: number;
  /** Modules that register a user's own classes; loaded in the workers too. */
  plugins?: readonly string[];
  /** `run.max_bad_samples`; 0 makes the first bad sample an error. */
  maxBadSamples?: number;
  /** A count shared with other loaders, in place of `maxBadSamples`. */
  badSamples?: BadSamples;
}

/** The batches of epoch after epoch, from the `start`-th on. */
export async function* endless(source: BatchSource, start = 0): AsyncGenerator<Batch, never, undefined> {
  for (let epoch = Math.floor(start / source.batchesPerEpoch); ; epoch++) {
    const skipBatches = Math.max(0, start - epoch * source.batchesPerEpoch);
    yield* source.epoch(epoch, { skipBatches });
  }
}
