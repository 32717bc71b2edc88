import type { tf } from '../tf.js';
import { fused } from './run.js';

/** x Φ(x), exact (with the error function). */
export function gelu(x: tf.Tensor): tf.Tensor {
  return fused('LavisGelu', { x }, {}, () => x.mul(x.mul(Math.SQRT1_2).erf().add(1).mul(0.5)));
}
