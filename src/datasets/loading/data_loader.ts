import { DataError } from '../../common/errors.js';
import type { Batch, Dataset } from '../types.js';
import { BadSamples } from './bad_samples.js';
import { prefetched, Reading, readBatch, type SampleTry } from './batch_reader.js';
import type { BatchSource, EpochOptions, LoadingOptions } from './batch_source.js';
import { batchCount, batchesOf, epochOrder } from './sampler.js';

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
  readonly #reading: Reading;

  /** @throws DataError for an empty dataset, or one smaller than a batch where partial ones are dropped. */
  constructor(options: DataLoaderOptions) {
    const { dataset, batchSize, dropLast = false, worldSize = 1, maxBadSamples } = options;
    checkCount('batchSize', batchSize, 1);
    checkCount('numWorkers', options.numWorkers ?? 0, 0);
    this.#options = options;
    this.#reading = new Reading(options);
    this.dataset = dataset;
    this.badSamples = options.badSamples ?? new BadSamples({ limit: maxBadSamples });
    this.batchesPerEpoch = countBatches(dataset.name, dataset.length, batchSize, dropLast, worldSize);
  }

  get name(): string {
    return this.dataset.name;
  }

  epoch(epoch: number, { skipBatches = 0 }: EpochOptions = {}): AsyncIterable<Batch> {
    const { batchSize, dropLast = false } = this.#options;
    const order = epochOrder(this.dataset.length, epoch, this.#options);
    const batches = batchesOf(order, batchSize, dropLast);
    const executor = this.#reading.executor(this.dataset.job && this.dataset.readers);
    const { name, badSamples } = this;
    const collate = this.dataset.collate.bind(this.dataset);
    return prefetched(skipBatches, batches.length, executor.prefetch, (i) => {
      const candidates = Array.from(batches[i], (index) => this.#candidate(index, epoch));
      return readBatch(candidates, executor, { name, badSamples, collate });
    });
  }

  /** Ends the workers that this loader started. */
  close(): Promise<void> {
    return this.#reading.close();
  }

  #candidate(index: number, epoch: number, replaced = 0): SampleTry {
    const { seed = 0 } = this.#options;
    const { length } = this.dataset;
    return {
      index,
      task: {
        job: this.dataset.job?.(index),
        rng: [seed, 'sample', epoch, index],
        read: (rng) => this.dataset.get(index, rng),
      },
      next: () =>
        replaced + 1 < length ? this.#candidate((index + 1) % length, epoch, replaced + 1) : undefined,
    };
  }
}

/**
 * Batches an epoch of one rank.
 * @throws DataError when there is no sample, or no whole batch where partial ones are dropped.
 */
export function countBatches(
  name: string,
  length: number,
  batchSize: number,
  dropLast: boolean,
  worldSize: number,
): number {
  if (length === 0) throw new DataError(`the dataset ${name} is empty`);
  const perRank = Math.ceil(length / worldSize);
  const batches = batchCount(perRank, batchSize, dropLast);
  if (batches > 0) return batches;
  const ranks = worldSize > 1 ? `, ${perRank} for each of ${worldSize} ranks` : '';
  throw new DataError(`a batch is larger than the dataset ${name}`, {
    found: `a batch of ${batchSize}, ${length} samples${ranks}`,
    allowed: `a batch of at most ${perRank}: a partial batch is dropped in training`,
    help: `--options run.batch_size_train=${perRank}`,
  });
}

export function checkCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new RangeError(`${name} must be a whole number of at least ${least}, not ${value}`);
}
