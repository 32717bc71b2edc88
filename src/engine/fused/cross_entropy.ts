import { tf } from '../tf.js';
import { fused, runKernel, runKernels } from './run.js';

export interface CrossEntropyOptions {
  labelSmoothing?: number;
  ignoreIndex?: number;
}

/** What the kernels of the loss and its gradient are given. */
export type CrossEntropyAttrs = Required<CrossEntropyOptions>;

/**
 * Mean over the labels that count of (1 - s) * -log p[label] + s * mean(-log p), as PyTorch's.
 * NaN where no label counts.
 * @param logits [N, V]
 * @param labels int32 [N]
 * @returns a scalar
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  { labelSmoothing = 0, ignoreIndex = -100 }: CrossEntropyOptions = {},
): tf.Scalar {
  const attrs: CrossEntropyAttrs = { labelSmoothing, ignoreIndex };
  return fused({
    kernel: 'LavisCrossEntropy',
    inputs: { logits, labels },
    forward(save) {
      const [value, logP] = runKernels('LavisCrossEntropy', { logits, labels }, attrs);
      save(labels, logP);
      return value;
    },
    backward: (dy, [savedLabels, logP]) => ({
      logits: () => runKernel('LavisCrossEntropyGrad', { labels: savedLabels, logP, dy }, attrs),
    }),
    composition() {
      const classes = logits.shape[1]!;
      const counts = labels.notEqual(ignoreIndex); // [N]
      const known = tf.where(counts, labels, tf.zerosLike(labels)) as tf.Tensor1D;
      const logProbabilities = logits.logSoftmax();
      const target = tf.oneHot(known, classes).toFloat();
      const wanted = target.mul(1 - labelSmoothing).add(labelSmoothing / classes);
      const losses = logProbabilities.mul(wanted).sum(-1).neg(); // [N]
      const weights = counts.toFloat();
      return losses.mul(weights).sum().div(weights.sum());
    },
  }) as tf.Scalar;
}
