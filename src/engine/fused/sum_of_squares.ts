import { tf } from '../tf.js';
import { hasKernel, runKernel } from './run.js';

/** The sum of all squares of the tensors, in double precision between tensors: the square of their L2 norm. */
export function sumOfSquares(tensors: Iterable<tf.Tensor>): number {
  let total = 0;
  for (const x of tensors) {
    const sum = tf.tidy(() =>
      hasKernel('LavisSumOfSquares') ? runKernel('LavisSumOfSquares', { x }) : x.square().sum(),
    );
    total += sum.dataSync()[0];
    sum.dispose();
  }
  return total;
}
