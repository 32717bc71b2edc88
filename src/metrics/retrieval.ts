import { tf } from '../engine/index.js';

/** A matrix of scores: rows of numbers, or a tensor. */
export type ScoreMatrix = readonly ArrayLike<number>[] | tf.Tensor2D;

/** Which texts belong to which image, by their places. */
export interface RetrievalPairs {
  /** The image of each text. */
  txt2img: ArrayLike<number> | Readonly<Record<number, number>>;
  /** The texts of each image. */
  img2txt: readonly (readonly number[])[] | Readonly<Record<number, readonly number[]>>;
}

/** Recalls in percent; `agg_metrics` is the mean of the three of texts. */
export type RetrievalMetrics = Record<
  `${'txt' | 'img'}_r${1 | 5 | 10}` | `${'txt' | 'img'}_r_mean` | 'r_mean' | 'agg_metrics',
  number
>;

/**
 * Recall at 1, 5 and 10, texts for images and images for texts. An image counts by the best of its texts.
 * Among equal scores the higher place comes first, as when an ascending sort is reversed.
 * Source: lavis/tasks/retrieval.py, _report_metrics.
 * @param scoreI2t [images, texts]
 * @param scoreT2i [texts, images]
 */
export function retrievalMetrics(
  scoreI2t: ScoreMatrix,
  scoreT2i: ScoreMatrix,
  { txt2img, img2txt }: RetrievalPairs,
): RetrievalMetrics {
  const ofTexts = rowsOf(scoreI2t).map((row, image) =>
    Math.min(...img2txt[image].map((text) => rankOf(row, text))),
  );
  const ofImages = rowsOf(scoreT2i).map((row, text) => rankOf(row, txt2img[text]));
  const [txt_r1, txt_r5, txt_r10] = recalls(ofTexts);
  const [img_r1, img_r5, img_r10] = recalls(ofImages);
  const txt_r_mean = (txt_r1 + txt_r5 + txt_r10) / 3;
  const img_r_mean = (img_r1 + img_r5 + img_r10) / 3;
  return {
    txt_r1,
    txt_r5,
    txt_r10,
    txt_r_mean,
    img_r1,
    img_r5,
    img_r10,
    img_r_mean,
    r_mean: (txt_r_mean + img_r_mean) / 2,
    agg_metrics: txt_r_mean,
  };
}

const rowsOf = (matrix: ScoreMatrix): readonly ArrayLike<number>[] =>
  matrix instanceof tf.Tensor ? matrix.arraySync() : matrix;

/** How many come before a place when the row is sorted, best first. */
function rankOf(row: ArrayLike<number>, place: number): number {
  const score = row[place];
  let before = 0;
  for (let i = 0; i < row.length; i++) {
    if (row[i] > score || (row[i] === score && i > place)) before++;
  }
  return before;
}

const recalls = (ranks: readonly number[]) =>
  [1, 5, 10].map((k) => (100 * ranks.filter((rank) => rank < k).length) / ranks.length);
