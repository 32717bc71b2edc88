import type { Rng } from '../../common/random.js';
import type {
  Batch,
  Dataset,
  IterableDataset,
  Readers,
  Sample,
  SampleJob,
  StreamPosition,
} from '../types.js';

/** Map-style datasets one after the other; a batch keeps the keys that its samples share. */
export class ConcatDataset implements Dataset {
  readonly name: string;
  readonly length: number;
  /** Only where all parts have it. */
  readonly job?: (index: number) => SampleJob;
  readonly readers?: Readers;
  /** Where each part ends. */
  readonly #ends: number[] = [];

  constructor(readonly datasets: readonly Dataset[]) {
    this.name = datasets.map(({ name }) => name).join(' + ');
    let end = 0;
    for (const { length } of datasets) this.#ends.push((end += length));
    this.length = end;
    if (datasets.every(({ job, readers }) => job && readers)) {
      this.readers = Object.assign({}, ...datasets.map(({ readers }) => readers));
      this.job = (index) => {
        const [dataset, at] = this.locate(index);
        return dataset.job!(at);
      };
    }
  }

  /** The dataset that holds an index, and the index there. */
  locate(index: number): [Dataset, number] {
    const part = this.#ends.findIndex((end) => index < end);
    return [this.datasets[part], index - (part === 0 ? 0 : this.#ends[part - 1])];
  }

  get(index: number, rng: Rng): Promise<Sample> {
    const [dataset, at] = this.locate(index);
    return dataset.get(at, rng);
  }

  collate(samples: Sample[]): Batch {
    return this.datasets[0].collate(samples);
  }
}

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
