import type { Rng } from '../../common/random.js';
import type { Batch, Dataset, Readers, Sample, SampleJob } from '../types.js';

/** Some samples of a map-style dataset, in an order of their own. */
export class Subset implements Dataset {
  readonly name: string;
  /** Only where the whole has it. */
  readonly job?: (index: number) => SampleJob;
  readonly readers?: Readers;

  /** @param indices of the whole */
  constructor(
    readonly whole: Dataset,
    readonly indices: ArrayLike<number>,
  ) {
    this.name = whole.name;
    this.readers = whole.readers;
    if (whole.job) this.job = (index) => whole.job!(indices[index]);
  }

  get length(): number {
    return this.indices.length;
  }

  get(index: number, rng: Rng): Promise<Sample> {
    return this.whole.get(this.indices[index], rng);
  }

  collate(samples: Sample[]): Batch {
    return this.whole.collate(samples);
  }
}
