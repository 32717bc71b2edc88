import type { SampleRecord } from '../../types.js';

/** Where bytes lie in a shard. */
export interface Span {
  offset: number;
  size: number;
}

/** What makes a sample. */
export interface SampleParts {
  /** The name that its files share. */
  key: string;
  image: Span;
  caption: Span;
  /** Whether the caption stands in JSON. */
  json: boolean;
}

/** A sample of a shard. */
export interface ShardRecord extends SampleRecord, SampleParts {
  shard: string;
}

/** Numbers of a sample. */
const WIDTH = 5;

/** The samples of a shard in some fifty bytes each: they stay in memory from epoch to epoch. */
export class ShardSamples {
  /** All keys in one text, and where each ends. */
  readonly #keys: string;
  readonly #ends: Uint32Array;
  readonly #numbers: Float64Array;

  constructor(
    readonly shard: string,
    samples: readonly SampleParts[],
  ) {
    this.#keys = samples.map(({ key }) => key).join('');
    this.#ends = new Uint32Array(samples.length);
    this.#numbers = new Float64Array(WIDTH * samples.length);
    let end = 0;
    for (const [i, { key, image, caption, json }] of samples.entries()) {
      this.#ends[i] = end += key.length;
      const numbers = [image.offset, image.size, caption.offset, caption.size, json ? 1 : 0];
      this.#numbers.set(numbers, WIDTH * i);
    }
  }

  get length(): number {
    return this.#ends.length;
  }

  *[Symbol.iterator](): Generator<ShardRecord> {
    for (let i = 0, start = 0; i < this.length; start = this.#ends[i++]) {
      const [at, size, captionAt, captionSize, json] = this.#numbers.subarray(WIDTH * i, WIDTH * (i + 1));
      yield {
        shard: this.shard,
        key: this.#keys.slice(start, this.#ends[i]),
        image: { offset: at, size },
        caption: { offset: captionAt, size: captionSize },
        json: json === 1,
      };
    }
  }
}
