import { instantiate, loadModule, newMemory } from '../../common/wasm.js';
import { tf } from '../tf.js';
import { fused, runKernel } from './run.js';

/** A 32-bit finalizer: every bit of the input reaches every bit of the result. */
const [FIRST, SECOND] = [0x7feb352d, 0x846ca68b];
/** Takes neighbouring positions far apart. */
const SPREAD = 0x9e3779b1;

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), FIRST);
  h = Math.imul(h ^ (h >>> 15), SECOND);
  return h ^ (h >>> 16);
}

/** What every element's hash begins with. */
export const dropoutStart = (seed: number): number => mix((seed | 0) ^ mix(Math.floor(seed / 2 ** 32) | 0));

/** Hashes below this are dropped. */
export const dropoutThreshold = (rate: number): number => Math.min(2 ** 32 - 1, Math.ceil(rate * 2 ** 32));

/** Numbers that are worked on at a time: few enough to stay in a core's cache. */
const PIECE = 8192;
const memory = newMemory(Math.ceil((PIECE * 4) / 65536));
const values = new Float32Array(memory.buffer, 0, PIECE);

const { drop } = instantiate<{
  drop(
    values: number,
    bytes: number,
    first: number,
    start: number,
    spread: number,
    factor1: number,
    factor2: number,
    threshold: number,
    scale: number,
  ): void;
}>(loadModule('dropout'), memory);

/**
 * Writes `values[i] * (0 or 1 / (1 - rate))` to `out`. Element i's fate depends on (seed, i) only, so the
 * gradient draws the same mask again instead of storing it.
 * @param from the values; every one is 1 by default
 */
export function applyDropout(out: Float32Array, rate: number, seed: number, from?: Float32Array): void {
  const [start, threshold, scale] = [dropoutStart(seed), dropoutThreshold(rate), 1 / (1 - rate)];
  for (let at = 0; at < out.length; at += PIECE) {
    const count = Math.min(PIECE, out.length - at);
    if (from) values.set(from.subarray(at, at + count));
    else values.fill(1);
    drop(0, count * 4, at, start, SPREAD, FIRST, SECOND, threshold, scale);
    out.set(values.subarray(0, count), at);
  }
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

/** The mask as a tensor, 0 or 1 / (1 - rate), made on the host so that every engine draws the same one. */
export function dropoutMask(shape: number[], rate: number, seed: number): tf.Tensor {
  const mask = new Float32Array(tf.util.sizeFromShape(shape));
  applyDropout(mask, rate, seed);
  return tf.tensor(mask, shape);
}
