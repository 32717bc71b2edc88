import { ConfigError } from '../../common/errors.js';
import { Rng } from '../../common/random.js';
import type { Batch } from '../types.js';
import type { BadSamples } from './bad_samples.js';
import { type BatchSource, type EpochOptions, endless } from './batch_source.js';

export interface MixedLoaderOptions {
  /** Weights of the loaders, scaled to sum to one; even when absent. `run.train_dataset_ratios`. */
  ratios?: readonly number[] | null;
  seed?: number;
}

/**
 * Each batch from one of several loaders, drawn by ratio; a loader that ends begins its next epoch. Which
 * loader a step takes depends on (seed, step) alone, the same on all ranks, so that a resumed run draws on
 * as if it had never stopped. Source: MultiIterLoader.
 */
export class MixedLoader implements BatchSource {
  readonly batchesPerEpoch: number;
  readonly badSamples: BadSamples;
  readonly #loaders: readonly BatchSource[];
  readonly #seed: number;
  /** Where each loader's share of [0, 1) ends. */
  readonly #ends: number[];

  /** @throws ConfigError when the ratios do not fit the loaders. */
  constructor(loaders: readonly BatchSource[], { ratios, seed = 0 }: MixedLoaderOptions = {}) {
    this.#loaders = loaders;
    this.#seed = seed;
    this.#ends = cumulative(ratios ?? loaders.map(() => 1), loaders);
    this.batchesPerEpoch = loaders.reduce((sum, loader) => sum + loader.batchesPerEpoch, 0);
    this.badSamples = loaders[0].badSamples;
  }

  get name(): string {
    return this.#loaders.map(({ name }) => name).join(', ');
  }

  /** Which loader a step takes its batch from, counted from the first step of the run. */
  loaderOf(step: number): number {
    const draw = Rng.of(this.#seed, 'dataset', step).next();
    return this.#ends.findIndex((end) => draw < end);
  }

  async *epoch(epoch: number, { skipBatches = 0 }: EpochOptions = {}): AsyncGenerator<Batch> {
    const first = epoch * this.batchesPerEpoch + skipBatches;
    const taken = this.#loaders.map(() => 0);
    for (let step = 0; step < first; step++) taken[this.loaderOf(step)]++;
    const streams = this.#loaders.map((loader, i) => endless(loader, taken[i]));
    try {
      for (let step = first; step < (epoch + 1) * this.batchesPerEpoch; step++) {
        yield (await streams[this.loaderOf(step)].next()).value;
      }
    } finally {
      await Promise.all(streams.map((stream) => stream.return(undefined as never)));
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#loaders.map((loader) => loader.close()));
  }
}

function cumulative(ratios: readonly number[], loaders: readonly BatchSource[]): number[] {
  const sum = ratios.reduce((total, ratio) => total + ratio, 0);
  if (ratios.length !== loaders.length || ratios.some((ratio) => !(ratio >= 0)) || !(sum > 0)) {
    throw new ConfigError('the ratios do not fit the datasets', {
      where: 'run.train_dataset_ratios',
      found: JSON.stringify(ratios),
      allowed: `a number from 0 for each of ${loaders.map(({ name }) => name).join(', ')}`,
    });
  }
  let end = 0;
  const ends = ratios.map((ratio) => (end += ratio / sum));
  // Rounding leaves the last end a little off 1; a last ratio of 0 stays empty.
  return ends.map((value) => (value === ends.at(-1) ? 1 : value));
}
