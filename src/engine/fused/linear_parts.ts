import { recordOperations } from '../record.js';
import { takesGradient } from '../tape.js';
import { tf } from '../tf.js';
import { linear } from './linear.js';
import { hasKernel, runKernels } from './run.js';

/**
 * `linear` whose result is cut along its last axis: the query, key and value of one weight, each a tensor of
 * its own without a copy.
 * @param x [..., I]
 * @param weight [parts * O, I]
 * @param bias [parts * O]
 * @returns `parts` tensors [..., O]
 */
export function linearParts(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, parts: number): tf.Tensor[] {
  if (!hasKernel('LavisLinearParts')) return tf.split(linear(x, weight, bias), parts, -1);
  const [outputs, inputs] = weight.shape;
  return recordOperations({
    inputs: { x, weight, bias },
    forwardFunc: (_backend, save) => {
      save([weight, ...(takesGradient(weight) ? [x] : [])]);
      return runKernels('LavisLinearParts', { x, weight, bias }, { parts });
    },
    backwardsFunc: (dys, [savedWeight, savedX]) => {
      const rows = tf.concat(dys, -1).reshape([-1, outputs]); // [N, parts * O]
      return {
        x: () => tf.matMul(rows, savedWeight as tf.Tensor2D).reshape(x.shape),
        weight: () => tf.matMul(rows, savedX.reshape([-1, inputs]), true, false),
        bias: () => rows.sum(0),
      };
    },
  });
}
