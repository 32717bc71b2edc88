import { tf } from '../tf.js';
import { recordOperation } from '../tfjs_internals.js';
import { hasKernel, runKernel } from './run.js';

/**
 * target + x, in the memory of `target` where the engine can and nobody else holds it. The caller disposes
 * `target` and does not use it again.
 */
export function addInto(target: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return hasKernel('LavisAddInto') ? runKernel('LavisAddInto', { target, x }) : target.add(x);
}

/** target * x, under the same rule. */
export function multiplyInto(target: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return hasKernel('LavisMultiplyInto') ? runKernel('LavisMultiplyInto', { target, x }) : target.mul(x);
}

/**
 * x + branch, of one shape. TensorFlow.js's own `add` keeps both for the backward pass, to learn their
 * shapes: this keeps nothing.
 */
export const residual = (x: tf.Tensor, branch: tf.Tensor): tf.Tensor =>
  recordOperation({
    inputs: { x, branch },
    forwardFunc: () => tf.add(x, branch),
    backwardsFunc: (dy) => ({ x: () => dy, branch: () => dy }),
  });
