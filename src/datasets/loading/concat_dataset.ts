import type { Rng } from '../../common/random.js';
import type { Batch, Dataset, Readers, Sample, SampleJob } from '../types.js';

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
