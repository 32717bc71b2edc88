import type { tf } from '../tf.js';
import { fused } from './run.js';

/**
 * Layer normalization over the last axis, with the biased variance.
 * @param x [..., D]
 * @param weight [D]
 * @param bias [D]
 */
export function layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, eps: number): tf.Tensor {
  return fused('LavisLayerNorm', { x, weight, bias }, { eps }, () => {
    const centred = x.sub(x.mean(-1, true));
    const variance = centred.square().mean(-1, true);
    return centred.mul(variance.add(eps).rsqrt()).mul(weight).add(bias);
  });
}
