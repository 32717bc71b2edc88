import { tf } from '../tf.js';
import { hasKernel, runKernel } from './run.js';

/**
 * The sum of all squares of the tensors, in double precision between tensors: the square of their L2 norm.
 * All sums are read at once: an engine whose memory is elsewhere is waited for once.
 */
export function sumOfSquares(tensors: Iterable<tf.Tensor>): number {
  const fused = hasKernel('LavisSumOfSquares');
  const sums = tf.tidy(() => {
    const each = [...tensors].map((x) => (fused ? runKernel('LavisSumOfSquares', { x }) : x.square().sum()));
    return each.length > 0 ? tf.stack(each) : tf.zeros([0]);
  });
  const total = (sums.dataSync() as Float32Array).reduce((a, b) => a + b, 0);
  sums.dispose();
  return total;
}
