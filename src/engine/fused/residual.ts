import { recordOperation } from '../record.js';
import { tf } from '../tf.js';

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
