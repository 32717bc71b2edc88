import { tf } from '../tf.js';
import { fused, runKernel } from './run.js';

/**
 * x Wᵀ + b, as PyTorch's Linear lays its weight out.
 * @param x [..., I]
 * @param weight [O, I]
 * @param bias [O]
 * @returns [..., O]
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  const [outputs, inputs] = weight.shape;
  if (x.shape.at(-1) !== inputs) {
    throw new RangeError(`linear: the input is [${x.shape}], the weight [${weight.shape}]`);
  }
  return fused({
    kernel: 'LavisLinear',
    inputs: { x, weight, bias },
    forward(save) {
      save(x, weight);
      return runKernel('LavisLinear', { x, weight, bias });
    },
    backward(dy, [savedX, savedWeight]) {
      const rows = dy.reshape([-1, outputs]); // [N, O]
      return {
        x: () => tf.matMul(rows, savedWeight as tf.Tensor2D).reshape(x.shape),
        weight: () => tf.matMul(rows, savedX.reshape([-1, inputs]), true, false),
        bias: () => rows.sum(0),
      };
    },
    composition() {
      const product = tf.matMul(x.reshape([-1, inputs]), weight as tf.Tensor2D, false, true);
      return (bias ? product.add(bias) : product).reshape([...x.shape.slice(0, -1), outputs]);
    },
  });
}
