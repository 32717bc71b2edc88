import { tf } from '../tf.js';
import { hasKernel, runKernel, runKernels } from './run.js';

/**
 * The sum of all squares of the tensors, in double precision between tensors: the square of their L2 norm.
 * All sums are read at once: an engine whose memory is elsewhere is waited for once.
 */
export function sumOfSquares(tensors: Iterable<tf.Tensor>): number {
  const sums = tf.tidy(() => eachSum(tensors));
  const total = (sums.dataSync() as Float32Array).reduce((a, b) => a + b, 0);
  sums.dispose();
  return total;
}

export interface UpdateFactorOptions {
  /** What all gradients are multiplied by: one over the scale of the loss. */
  scale?: number;
  /** The largest norm that an update may have, after `scale`. */
  maxNorm?: number;
}

/** Scalars that stay where the gradients are; the caller disposes both. */
export interface UpdateFactor {
  /** The L2 norm of all gradients together, after `scale`. */
  norm: tf.Scalar;
  /** For `adamwUpdate`: `scale`, less where the norm exceeds `maxNorm`, and 0 where it is no finite number. */
  factor: tf.Scalar;
}

/**
 * What an update does with its gradients, decided where they are: nobody has to wait for their norm before
 * the update. Clips as torch.nn.utils.clip_grad_norm_ does.
 */
export function updateFactor(
  gradients: Iterable<tf.Tensor>,
  { scale = 1, maxNorm = Infinity }: UpdateFactorOptions = {},
): UpdateFactor {
  const fused = hasKernel('LavisUpdateFactor');
  const [norm, factor] = tf.tidy(() => {
    const sums = eachSum(gradients);
    if (fused) return runKernels('LavisUpdateFactor', { sums }, { scale, maxNorm });
    const length = sums.sum().sqrt().mul(scale);
    const allowed = Number.isFinite(maxNorm)
      ? tf.minimum(1, tf.div(maxNorm, length.add(1e-6))).mul(scale)
      : tf.scalar(scale);
    return [length, tf.where(length.less(Infinity), allowed, tf.zerosLike(allowed))];
  });
  return { norm: norm as tf.Scalar, factor: factor as tf.Scalar };
}

/** The sum of squares of each tensor, in one tensor; a single zero where there are none. */
function eachSum(tensors: Iterable<tf.Tensor>): tf.Tensor {
  const fused = hasKernel('LavisSumOfSquares');
  const sums = [...tensors].map((x) => (fused ? runKernel('LavisSumOfSquares', { x }) : x.square().sum()));
  return sums.length > 0 ? tf.stack(sums) : tf.zeros([1]);
}
