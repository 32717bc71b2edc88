import { DataError } from '../../common/errors.js';
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

/**
 * For each text, the sum of its words' losses, labels smoothed by 0.1: the longer, the more.
 * @param logits [B, T, V]
 * @param targets [B][T], -100 at words that do not count
 * @returns [B]
 */
export function textLosses(logits: tf.Tensor3D, targets: readonly (readonly number[])[]): tf.Tensor1D {
  const [batch, length, words] = logits.shape;
  const labels = targets.flatMap(nextWords);
  const counts = tf.tensor2d(
    labels.map((label) => (label === IGNORED ? 0 : 1)),
    [batch, length],
  );
  const known = tf.tensor1d(
    labels.map((label) => Math.max(label, 0)),
    'int32',
  );
  const wanted = tf
    .oneHot(known, words)
    .mul(1 - LABEL_SMOOTHING)
    .add(LABEL_SMOOTHING / words);
  const losses = logits
    .reshape([batch * length, words])
    .logSoftmax()
    .mul(wanted)
    .sum(-1)
    .neg();
  return losses.reshape([batch, length]).mul(counts).sum(-1);
}

/** @throws DataError unless each image has one text. */
export function checkTexts(image: tf.Tensor, texts: readonly string[]): void {
  if (texts.length === image.shape[0]) return;
  throw new DataError('each image needs one text', {
    found: `${image.shape[0]} images, ${texts.length} texts in text_input`,
  });
}
