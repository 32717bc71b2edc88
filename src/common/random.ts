import { xoroshiro128plus, xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/**
 * A seeded generator whose whole state can be saved. Streams are split by name, not by position: the
 * stream of (seed, 'augment', epoch, index) is the same whoever draws from it and in whatever order.
 */
export class Rng {
  #generator: ReturnType<typeof xoroshiro128plus>;

  private constructor(generator: ReturnType<typeof xoroshiro128plus>) {
    this.#generator = generator;
  }

  /** The stream that belongs to these parts, a seed first. */
  static of(...parts: (number | string)[]): Rng {
    return new Rng(xoroshiro128plus(hash(parts)));
  }

  /** @param state as `state()` returned it. */
  static fromState(state: readonly number[]): Rng {
    return new Rng(xoroshiro128plusFromState(state));
  }

  state(): number[] {
    return [...this.#generator.getState()];
  }

  /** Continues from a saved state, in place. */
  restore(state: readonly number[]): void {
    this.#generator = xoroshiro128plusFromState(state);
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    return this.#generator.next() >>> 0;
  }

  /** A float64 in [0, 1), 53 random bits. */
  next(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** A float64 in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** An integer in [0, n). */
  int(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** A draw from the normal distribution of mean 0 and variance 1. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** 0 … n-1 in random order. */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

/** FNV-1a over the parts' text, finished with murmur3's mixer. */
function hash(parts: (number | string)[]): number {
  let h = 0x811c9dc5;
  for (const part of parts) {
    for (const char of `${typeof part}:${part};`) h = Math.imul(h ^ char.codePointAt(0)!, 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
