import { join } from 'node:path';
import { bestIndices, type ImageSource, matchImages, matchModel, stacked } from '../models/index.js';
import type { ImageIndex } from './image_index.js';

/** A query: a text, an image, or both. */
export interface Query {
  text?: string;
  image?: ImageSource;
  /** The weight of the image when there is also a text, from 0 to 1; 0.5 by default. */
  imageWeight?: number;
}

export interface SearchOptions {
  /** The maximum number of results; 12 by default. */
  top?: number;
  /** How many of the best to rerank with the image-text matching head; at least `top`. */
  rerank?: number;
}

export interface Found {
  /** Absolute. */
  path: string;
  /** Cosine similarity of the features; for a query of text and image, the weighted mean of both. */
  score: number;
  /** Probability that text and image match, from 0 to 1; only for reranked results. */
  probability?: number;
}

/**
 * The images of an index that match a query best, best first. Every image is compared: a matrix-vector product in
 * plain JavaScript, 30 ms for 100,000 images.
 * @throws DataError for a query image that cannot be read; ConfigError for `rerank` with a model that has no matching
 *   head; RangeError for a query with neither text nor image, and for numbers out of range
 */
export async function search(
  index: ImageIndex,
  query: Query,
  { top = 12, rerank }: SearchOptions = {},
): Promise<Found[]> {
  if (!Number.isInteger(top) || top < 1)
    throw new RangeError(`top must be a whole number of at least 1, not ${top}`);
  const { text, imageWeight: weight = 0.5 } = query;
  if (!(weight >= 0 && weight <= 1)) throw new RangeError(`imageWeight must be from 0 to 1, not ${weight}`);
  if (rerank !== undefined && text === undefined) throw new RangeError('rerank needs a text');
  const scores = similarities(index, await queryVector(index, query, weight));
  const best = bestIndices(scores, Math.max(top, rerank ?? 0)).map(
    (i): Found => ({ path: join(index.folder, index.paths[i]), score: scores[i] }),
  );
  return (rerank === undefined ? best : await lookedAt(index, best, text!)).slice(0, top);
}

/** The query's features: for text and image the weighted mean, whose dot product is the mean of both cosines. */
async function queryVector(
  { model, processor, textProcessor }: ImageIndex,
  { text, image }: Query,
  weight: number,
): Promise<Float32Array> {
  const parts: { vector: Float32Array; weight: number }[] = [];
  if (text !== undefined) {
    const features = model.textFeatures([textProcessor?.apply(text) ?? text]);
    parts.push({ vector: await features.data<'float32'>(), weight: 1 - weight });
    features.dispose();
  }
  if (image !== undefined) {
    const pixels = stacked([await processor.process(image)]);
    const features = model.imageFeatures(pixels);
    parts.push({ vector: await features.data<'float32'>(), weight });
    pixels.dispose();
    features.dispose();
  }
  if (parts.length === 0) throw new RangeError('a query needs a text, an image, or both');
  if (parts.length === 1) return parts[0].vector;
  return parts[0].vector.map((_, i) => parts.reduce((sum, { vector, weight: w }) => sum + w * vector[i], 0));
}

/** The dot product of each image's features with the query's. */
function similarities({ features, rows, width }: ImageIndex, query: Float32Array): Float32Array {
  const scores = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    let at = rows[i] * width;
    // Four accumulators: with one, each addition would wait for the one before.
    let [a, b, c, d] = [0, 0, 0, 0];
    let k = 0;
    for (; k + 3 < width; k += 4, at += 4) {
      a += features[at] * query[k];
      b += features[at + 1] * query[k + 1];
      c += features[at + 2] * query[k + 2];
      d += features[at + 3] * query[k + 3];
    }
    for (; k < width; k++, at++) a += features[at] * query[k];
    scores[i] = a + b + (c + d);
  }
  return scores;
}

/** Sorted by match probability; an image deleted since indexing is left out. */
async function lookedAt(index: ImageIndex, found: readonly Found[], text: string): Promise<Found[]> {
  const { model, processor, textProcessor } = index;
  const gone = new Set<number>();
  const matches = await matchImages(
    matchModel(model),
    processor,
    found.map(({ path }) => path),
    [text],
    { textProcessor, onError: (_, i) => gone.add(i) },
  );
  return found
    .map((one, i) => ({ ...one, probability: matches[i][0]?.probability }))
    .filter((_, i) => !gone.has(i))
    .sort((a, b) => b.probability - a.probability || b.score - a.score);
}
