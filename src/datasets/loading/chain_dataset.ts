import type { Rng } from '../../common/random.js';
import type { Batch, IterableDataset, Readers, Sample, SampleJob, StreamPosition } from '../types.js';

/** Stream-style datasets one after the other. */
export class ChainDataset implements IterableDataset {
  readonly iterable = true;
  readonly name: string;
  readonly samplesPerEpoch: number;
  readonly readers: Readers;
  /** Which dataset a reader's jobs came from. */
  readonly #owners = new Map<string, IterableDataset>();

  constructor(readonly datasets: readonly IterableDataset[]) {
    this.name = datasets.map(({ name }) => name).join(' + ');
    this.readers = Object.assign({}, ...datasets.map(({ readers }) => readers));
    this.samplesPerEpoch = datasets.reduce((sum, { samplesPerEpoch }) => sum + samplesPerEpoch, 0);
  }

  async *stream(position: StreamPosition): AsyncGenerator<SampleJob> {
    for (const dataset of this.datasets) {
      for await (const job of dataset.stream(position)) {
        this.#owners.set(job.reader, dataset);
        yield job;
      }
    }
  }

  read(job: SampleJob, rng: Rng): Promise<Sample> {
    return this.#owners.get(job.reader)!.read(job, rng);
  }

  collate(samples: Sample[]): Batch {
    return this.datasets[0].collate(samples);
  }
}
