import { appendKeysAndValues, type KeysAndValues, splitHeads, tf } from '../../engine/index.js';
import type { Linear } from '../../nn/index.js';

/** What makes keys and values of hidden states. */
interface Projections {
  readonly key: Linear;
  readonly value: Linear;
}

/**
 * The keys and values of one layer: of the tokens read so far, and of what cross-attention attends to. They
 * outlive the tf.tidy that made them.
 */
export class LayerCache {
  #past?: KeysAndValues;
  #cross: KeysAndValues;

  /** @param cross [B, H, N, D / H] each, or [B, N, D] */
  constructor(cross: KeysAndValues) {
    this.#cross = kept(cross);
  }

  get cross(): KeysAndValues {
    return this.#cross;
  }

  /** Keys and values of the tokens before and, behind them, of x: the past of the next step. @param x [B, T, D] */
  append(x: tf.Tensor, { key, value }: Projections): KeysAndValues {
    const past = this.#past;
    const all = past
      ? appendKeysAndValues({ x, key: key.weights(), value: value.weights(), past })
      : { key: key.forward(x), value: value.forward(x) };
    this.#past = kept(all);
    tf.dispose(past);
    return all;
  }

  /** Leaves the rows of some samples. @param rows int32, their indices */
  select(rows: tf.Tensor1D): void {
    const select = (all: KeysAndValues) => {
      const some = kept({ key: tf.gather(all.key, rows), value: tf.gather(all.value, rows) });
      tf.dispose(all);
      return some;
    };
    this.#cross = select(this.#cross);
    if (this.#past) this.#past = select(this.#past);
  }

  dispose(): void {
    tf.dispose([this.#cross, this.#past]);
  }
}

/** A decoder's keys and values while texts grow token by token; whoever asked for it disposes it. */
export class KVCache {
  constructor(readonly layers: readonly LayerCache[]) {}

  /** Goes on with some of the samples only. */
  select(samples: readonly number[]): void {
    tf.tidy(() => {
      const rows = tf.tensor1d([...samples], 'int32');
      for (const layer of this.layers) layer.select(rows);
    });
  }

  dispose(): void {
    for (const layer of this.layers) layer.dispose();
  }
}

/** Keys and values with their heads side by side, as many queries want them. */
export const withHeads = ({ key, value }: KeysAndValues, heads: number): KeysAndValues => ({
  key: splitHeads(key, heads),
  value: splitHeads(value, heads),
});

const kept = (all: KeysAndValues): KeysAndValues => ({ key: tf.keep(all.key), value: tf.keep(all.value) });
