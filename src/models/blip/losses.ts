import { softmaxCrossEntropy, tf } from '../../engine/index.js';

/** Label of positions that do not count. */
export const IGNORED = -100;
const LABEL_SMOOTHING = 0.1;

/** The label of each position is the next word; the last position has none. */
const nextWords = (targets: readonly number[]) => [...targets.slice(1), IGNORED];

/**
 * The mean loss of predicting each next word, labels smoothed by 0.1.
 * @param logits [B, T, V]
 * @param targets [B][T], -100 at words that do not count
 */
export function languageModelLoss(logits: tf.Tensor3D, targets: readonly (readonly number[])[]): tf.Scalar {
  const [batch, length, words] = logits.shape;
  return softmaxCrossEntropy(
    logits.reshape([batch * length, words]),
    tf.tensor1d(targets.flatMap(nextWords), 'int32'),
    { labelSmoothing: LABEL_SMOOTHING, ignoreIndex: IGNORED },
  );
}
