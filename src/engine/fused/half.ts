import { tf } from '../tf.js';
import { hasKernel, runKernel } from './run.js';

/**
 * Mixed precision: what products take and what the backward pass keeps is float16, by pairs in int32 tensors,
 * which TensorFlow.js has no type for. Sums, weights, statistics and losses stay float32.
 */
class Halves {
  /** By the memory of the tensor that each was made from. */
  readonly #kept = new Map<object, tf.Tensor>();

  /** The tensor in float16, made once for all that read it; disposed with this object. */
  of(x: tf.Tensor): tf.Tensor {
    let half = this.#kept.get(x.dataId);
    if (!half) {
      half = tf.keep(packHalf(x));
      this.#kept.set(x.dataId, half);
    }
    return half;
  }

  dispose(): void {
    for (const half of this.#kept.values()) half.dispose();
    this.#kept.clear();
  }
}

let active: Halves | undefined;

/** What the forward pass that is being recorded keeps in float16; undefined where it computes in float32. */
export const activeHalves = (): Halves | undefined => active;

/** Runs a forward pass under mixed precision, or without it. */
export function withHalves<T>(wanted: boolean, f: () => T): T {
  const outer = active;
  active = wanted ? new Halves() : undefined;
  try {
    return f();
  } finally {
    active?.dispose();
    active = outer;
  }
}

/** True where the engine has float16 products. */
export const hasFloat16 = (): boolean => hasKernel('LavisMatMulHalf');

/** Float16 by pairs, rounded to the nearest; infinite beyond 65504. @returns int32 [size / 2] */
export const packHalf = (x: tf.Tensor): tf.Tensor => runKernel('LavisPackHalf', { x });

/** @returns float32 of that shape */
export const unpackHalf = (half: tf.Tensor, shape: number[]): tf.Tensor =>
  runKernel('LavisUnpackHalf', { half }, { shape });

export interface HalfProduct {
  /** Of the result. */
  rows: number;
  columns: number;
  /** Over how many products each of its elements is the sum. */
  depth: number;
  transposeA?: boolean;
  transposeB?: boolean;
}

/** A product of matrices in float16 with sums in float32. @returns float32 [rows, columns] */
export function matMulHalf(a: tf.Tensor, b: tf.Tensor, product: HalfProduct, bias?: tf.Tensor): tf.Tensor {
  const { transposeA = false, transposeB = false, ...sizes } = product;
  const attrs: Required<HalfProduct> = { ...sizes, transposeA, transposeB };
  return runKernel('LavisMatMulHalf', { a, b, bias }, attrs);
}
