import { tf } from '../tf.js';
import { fused, runKernel } from './run.js';

/** A 32-bit finalizer: every bit of the input reaches every bit of the result. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}

/** What every element's hash begins with. */
export const dropoutStart = (seed: number): number => mix((seed | 0) ^ mix(Math.floor(seed / 2 ** 32) | 0));

/**
 * Writes `values[i] * (0 or 1 / (1 - rate))` to `out`. Element i's fate depends on (seed, i) only, so the
 * gradient draws the same mask again instead of storing it.
 */
export function applyDropout(out: Float32Array, values: Float32Array, rate: number, seed: number): void {
  const start = dropoutStart(seed);
  const threshold = rate * 2 ** 32;
  const scale = 1 / (1 - rate);
  for (let i = 0; i < out.length; i++) {
    let h = start ^ Math.imul(i, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    out[i] = (h ^ (h >>> 16)) >>> 0 < threshold ? 0 : values[i] * scale;
  }
}

/** The mask itself: `size` values, each 0 or 1 / (1 - rate). */
export function fillDropoutMask(out: Float32Array, rate: number, seed: number): Float32Array {
  out.fill(1);
  applyDropout(out, out, rate, seed);
  return out;
}

/** Zeroes each element with probability `rate` and scales the rest; the same seed gives the same mask. */
export function dropout(x: tf.Tensor, rate: number, seed: number): tf.Tensor {
  if (rate === 0) return x.clone();
  return fused({
    kernel: 'LavisDropout',
    inputs: { x },
    forward: () => runKernel('LavisDropout', { x }, { rate, seed }),
    backward: (dy) => ({ x: () => runKernel('LavisDropout', { x: dy }, { rate, seed }) }),
    composition: () => x.mul(dropoutMask(x.shape, rate, seed)),
  });
}

/** The mask as a tensor, made on the host so that every engine draws the same one. */
export function dropoutMask(shape: number[], rate: number, seed: number): tf.Tensor {
  return tf.tensor(fillDropoutMask(new Float32Array(tf.util.sizeFromShape(shape)), rate, seed), shape);
}
