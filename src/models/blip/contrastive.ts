import type { Rng } from '../../common/random.js';
import { tf } from '../../engine/index.js';
import type { Linear } from '../../nn/index.js';

/** The states of the first token. @param states [B, T, D]; returns [B, D]. */
export const firstToken = (states: tf.Tensor): tf.Tensor2D =>
  states.slice([0, 0, 0], [-1, 1, -1]).squeeze<tf.Tensor2D>([1]);

/** Vectors of length 1 along the last axis, as PyTorch's normalize: the length counts as 1e-12 at least. */
export const normalized = <T extends tf.Tensor>(x: T): T =>
  tf.div(x, tf.maximum(x.square().sum(-1, true).sqrt(), 1e-12));

/** What is compared with features of the other kind: the first token, projected. @returns [B, E] */
export const featureOf = (states: tf.Tensor, projection: Linear): tf.Tensor2D =>
  normalized(projection.forward(firstToken(states)) as tf.Tensor2D);

/** The mean cross-entropy against targets that are probabilities. @param logits [B, C] @param targets [B, C] */
export const softCrossEntropy = (logits: tf.Tensor, targets: tf.Tensor): tf.Scalar =>
  tf.logSoftmax(logits).mul(targets).sum(-1).mean().neg() as tf.Scalar;

/** Training progress; a task passes it with every batch. */
export interface TrainingProgress {
  epoch?: number;
  iters?: number;
  num_iters_per_epoch?: number;
}

/** How far soft targets have come in: from 0 to 1 over the first `epochs`; 1 where nobody tells. */
export function rampUp({ epoch, iters, num_iters_per_epoch: n }: TrainingProgress, epochs: number): number {
  if (epoch === undefined || iters === undefined || !n) return 1;
  return Math.min(1, (epoch * n + iters) / (epochs * n));
}

/** Which sample of the batch is taken for each as one that does not belong to it. */
export interface Negatives {
  /** For each text an image. */
  image: readonly number[];
  /** For each image a text. */
  text: readonly number[];
}

/**
 * Draws a column for each row, as PyTorch's multinomial.
 * @param weights [B, C], none below 0
 * @returns undefined for a row whose weights are all 0
 */
export function drawColumns(weights: tf.Tensor, rng: Rng): (number | undefined)[] {
  const [rows, columns] = weights.shape as [number, number];
  const values = weights.dataSync() as Float32Array;
  return Array.from({ length: rows }, (_, row) => {
    const own = values.subarray(row * columns, (row + 1) * columns);
    let rest = rng.next() * own.reduce((sum, weight) => sum + weight, 0);
    let last: number | undefined;
    for (const [column, weight] of own.entries()) {
      if (weight === 0) continue;
      last = column;
      rest -= weight;
      if (rest < 0) break;
    }
    return last;
  });
}
