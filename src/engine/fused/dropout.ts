import { tf } from '../tf.js';
import { applyDropout } from './dropout_loop.js';
import { fused, runKernel } from './run.js';

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
