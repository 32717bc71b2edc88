import { DataError } from '../../common/errors.js';
import type { Batch, IterableDataset, SampleJob } from '../types.js';
import { BadSamples } from './bad_samples.js';
import { prefetched, Reading, readBatch, type SampleTry } from './batch_reader.js';
import type { BatchSource, EpochOptions, LoadingOptions } from './batch_source.js';
import { checkCount, countBatches } from './data_loader.js';

export interface StreamLoaderOptions extends LoadingOptions {
  dataset: IterableDataset;
  batchSize: number;
}

/**
 * Whole batches of a stream-style dataset, the same number on every rank. A resumed run passes over the
 * samples it has seen without reading their bytes.
 */
export class StreamLoader implements BatchSource {
  readonly batchesPerEpoch: number;
  readonly badSamples: BadSamples;
  readonly #options: StreamLoaderOptions;
  readonly #reading: Reading;

  /** @throws DataError for no sample, or fewer than a batch. */
  constructor(options: StreamLoaderOptions) {
    const { dataset, batchSize, worldSize = 1, maxBadSamples } = options;
    checkCount('batchSize', batchSize, 1);
    this.#options = options;
    this.#reading = new Reading(options);
    this.badSamples = options.badSamples ?? new BadSamples({ limit: maxBadSamples });
    const { samplesPerEpoch } = dataset;
    if (samplesPerEpoch > 0 && samplesPerEpoch < worldSize) {
      throw new DataError(`${dataset.name} has fewer samples than there are ranks`, {
        found: `${samplesPerEpoch} samples, ${worldSize} ranks`,
      });
    }
    // What does not divide among the ranks is left out.
    const shared = Math.floor(samplesPerEpoch / worldSize) * worldSize;
    this.batchesPerEpoch = countBatches(dataset.name, shared, batchSize, true, worldSize);
  }

  get name(): string {
    return this.#options.dataset.name;
  }

  async *epoch(epoch: number, { skipBatches = 0 }: EpochOptions = {}): AsyncGenerator<Batch> {
    const { dataset, batchSize, seed = 0, rank = 0, worldSize = 1 } = this.#options;
    const { name, badSamples } = this;
    const jobs = iterate(dataset.stream({ epoch, seed, rank, worldSize }));
    const take = async (): Promise<SampleJob> => {
      const { value, done } = await jobs.next();
      if (!done) return value;
      throw new DataError(`${name} ended too early`, {
        allowed: `${dataset.samplesPerEpoch} samples an epoch`,
        help: 'build_info.samples is more than the shards hold',
      });
    };
    for (let i = 0; i < skipBatches * batchSize; i++) await take();
    const executor = this.#reading.executor(dataset.readers);
    const collate = dataset.collate.bind(dataset);
    // Jobs are taken strictly one after the other, however many batches are read at a time.
    let turn: Promise<unknown> = Promise.resolve();
    try {
      yield* prefetched(skipBatches, this.batchesPerEpoch, executor.prefetch, async () => {
        const batch: SampleJob[] = [];
        const mine = turn.then(async () => {
          for (let i = 0; i < batchSize; i++) batch.push(await take());
        });
        turn = mine;
        await mine;
        return readBatch(this.#candidates(batch, epoch), executor, { name, badSamples, collate });
      });
    } finally {
      await turn.catch(() => {});
      await jobs.return?.(undefined);
    }
  }

  close(): Promise<void> {
    return this.#reading.close();
  }

  /** A bad sample is replaced from its own batch, so that no later batch shifts. */
  #candidates(jobs: SampleJob[], epoch: number): SampleTry[] {
    const { dataset, seed = 0 } = this.#options;
    const candidateAt = (i: number, replaced: number): SampleTry => {
      const job = jobs[i % jobs.length];
      const index = `${job.record.shard ?? ''} ${job.record.key ?? JSON.stringify(job.record)}`;
      return {
        index,
        task: { job, rng: [seed, 'sample', epoch, index], read: (rng) => dataset.read(job, rng) },
        next: () => (replaced + 1 < jobs.length ? candidateAt(i + 1, replaced + 1) : undefined),
      };
    };
    return jobs.map((_, i) => candidateAt(i, 0));
  }
}

function iterate<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}
