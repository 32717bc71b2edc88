import { ConfigError, DataError } from '../../common/errors.js';
import type { Batch, Dataset, Sample } from '../types.js';
import { BadSamples } from './bad_samples.js';
import { type Executor, here, type Outcome, type SampleTask } from './executor.js';
import { prefetched } from './prefetch.js';
import { batchCount, batchesOf, epochOrder } from './sampler.js';
import { WorkerPool } from './worker_pool.js';

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
  /** Workers shared with other loaders, which whoever made them closes; else a loader starts its own. */
  pool?: WorkerPool;
  /** `run.max_bad_samples`; 0 makes the first bad sample an error. */
  maxBadSamples?: number;
  /** A count shared with other loaders, in place of `maxBadSamples`. */
  badSamples?: BadSamples;
}

export interface DataLoaderOptions extends LoadingOptions {
  dataset: Dataset;
  /** Samples a batch of this rank. */
  batchSize: number;
  shuffle?: boolean;
  dropLast?: boolean;
}

/**
 * Batches of a dataset. The order depends on (seed, epoch) alone and a sample's randomness on
 * (seed, epoch, index) alone: neither workers nor a resume change anything.
 */
export class DataLoader implements BatchSource {
  readonly dataset: Dataset;
  readonly batchesPerEpoch: number;
  readonly badSamples: BadSamples;
  readonly #options: DataLoaderOptions;
  #ownPool?: WorkerPool;

  /** @throws DataError for an empty dataset, or one smaller than a batch where partial ones are dropped. */
  constructor(options: DataLoaderOptions) {
    const { dataset, batchSize, dropLast = false, worldSize = 1, maxBadSamples } = options;
    checkCount('batchSize', batchSize, 1);
    checkCount('numWorkers', options.numWorkers ?? 0, 0);
    this.#options = options;
    this.dataset = dataset;
    this.badSamples = options.badSamples ?? new BadSamples({ limit: maxBadSamples });
    if (dataset.length === 0) {
      throw new DataError(`the dataset ${dataset.name} is empty`, { help: 'check its annotation file' });
    }
    const perRank = Math.ceil(dataset.length / worldSize);
    this.batchesPerEpoch = batchCount(perRank, batchSize, dropLast);
    if (this.batchesPerEpoch === 0) {
      const ranks = worldSize > 1 ? `, ${perRank} for each of ${worldSize} ranks` : '';
      throw new DataError(`a batch is larger than the dataset ${dataset.name}`, {
        found: `a batch of ${batchSize}, ${dataset.length} samples${ranks}`,
        allowed: `a batch of at most ${perRank}: a partial batch is dropped in training`,
        help: `--options run.batch_size_train=${perRank}`,
      });
    }
  }

  get name(): string {
    return this.dataset.name;
  }

  epoch(epoch: number, { skipBatches = 0 }: EpochOptions = {}): AsyncIterable<Batch> {
    const { batchSize, dropLast = false } = this.#options;
    const order = epochOrder(this.dataset.length, epoch, this.#options);
    const batches = batchesOf(order, batchSize, dropLast);
    const executor = this.#executor();
    return prefetched(skipBatches, batches.length, executor.prefetch, (i) =>
      this.#read(batches[i], epoch, executor),
    );
  }

  /** Ends the workers that this loader started. */
  async close(): Promise<void> {
    await this.#ownPool?.close();
    this.#ownPool = undefined;
  }

  #executor(): Executor {
    const { numWorkers = 0, pool, plugins } = this.#options;
    if ((numWorkers === 0 && !pool) || !this.dataset.job) return here;
    return pool ?? (this.#ownPool ??= new WorkerPool(numWorkers, { plugins }));
  }

  async #read(indices: Uint32Array, epoch: number, executor: Executor): Promise<Batch> {
    const outcomes = await executor.run(Array.from(indices, (index) => this.#task(index, epoch)));
    const samples: Sample[] = [];
    // One after the other, so that bad samples are counted in the order of the batch.
    for (const [i, outcome] of outcomes.entries()) {
      samples.push(
        'sample' in outcome ? outcome.sample : await this.#replace(indices[i], outcome, epoch, executor),
      );
    }
    return this.dataset.collate(samples);
  }

  /** The next good sample after a bad one: the same whoever asks, whenever. */
  async #replace(index: number, outcome: Outcome, epoch: number, executor: Executor): Promise<Sample> {
    for (let step = 0; step < this.dataset.length; step++) {
      if ('sample' in outcome) return outcome.sample;
      const at = (index + step) % this.dataset.length;
      this.badSamples.report(this.name, at, outcome.bad);
      [outcome] = await executor.run([this.#task((at + 1) % this.dataset.length, epoch)]);
    }
    throw new DataError(`no sample of ${this.name} can be read`, { help: 'check the image folder' });
  }

  #task(index: number, epoch: number): SampleTask {
    const { seed = 0 } = this.#options;
    return {
      job: this.dataset.job?.(index),
      rng: [seed, 'sample', epoch, index],
      read: (rng) => this.dataset.get(index, rng),
    };
  }
}

function checkCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new ConfigError(`${name} is not a whole number from ${least}`, { found: String(value) });
}
