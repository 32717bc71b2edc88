import type { tf } from '../tf.js';
import { fused, runKernels } from './run.js';

/**
 * Layer normalization over the last axis, with the biased variance.
 * @param x [..., D]
 * @param weight [D]
 * @param bias [D]
 */
export function layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, eps: number): tf.Tensor {
  return fused({
    kernel: 'LavisLayerNorm',
    inputs: { x, weight, bias },
    forward(save) {
      const [y, mean, scale] = runKernels('LavisLayerNorm', { x, weight, bias }, { eps });
      save(x, weight, mean, scale);
      return y;
    },
    backward(dy, [savedX, savedWeight, mean, scale]) {
      const inputs = { dy, x: savedX, weight: savedWeight, mean, scale };
      const [dx, dweight, dbias] = runKernels('LavisLayerNormGrad', inputs);
      return { x: () => dx, weight: () => dweight, bias: () => dbias };
    },
    composition() {
      const centred = x.sub(x.mean(-1, true));
      const variance = centred.square().mean(-1, true);
      return centred.mul(variance.add(eps).rsqrt()).mul(weight).add(bias);
    },
  });
}
