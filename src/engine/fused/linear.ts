import { tf } from '../tf.js';
import { fused } from './run.js';

/**
 * x Wᵀ + b, as PyTorch's Linear lays its weight out.
 * @param x [..., I]
 * @param weight [O, I]
 * @param bias [O]
 * @returns [..., O]
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  return fused('LavisLinear', { x, weight, bias }, {}, () => {
    const [outputs, inputs] = weight.shape;
    const product = tf.matMul(x.reshape([-1, inputs]), weight as tf.Tensor2D, false, true);
    const y = bias ? product.add(bias) : product;
    return y.reshape([...x.shape.slice(0, -1), outputs]);
  });
}
