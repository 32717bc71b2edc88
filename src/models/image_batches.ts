import { tf } from '../engine/index.js';
import type { ImageArray, ImageProcessor, RgbImage } from '../processors/index.js';

/** A path, a file's bytes, or decoded pixels. */
export type ImageSource = string | Uint8Array | RgbImage;

export interface ImageBatchOptions {
  /** Images at a time; 8 unless given. */
  batchSize?: number;
  /**
   * Hears of an image that cannot be read, which has no result then and stops nothing; without it the first
   * one is thrown.
   */
  onError?: (error: unknown, index: number) => void;
}

/** Images as a model takes them. */
export interface ImageBatch {
  /** [B, H, W, 3], normalised; disposed of when the next batch is asked for. */
  image: tf.Tensor4D;
  /** Their places among all. */
  indices: number[];
}

/**
 * Images some at a time; those of the next batch are read while the model has this one.
 * @throws DataError for an image that cannot be read, without `onError`
 */
export async function* imageBatches(
  processor: ImageProcessor,
  images: readonly ImageSource[],
  { batchSize = 8, onError }: ImageBatchOptions = {},
): AsyncGenerator<ImageBatch, void, undefined> {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`batchSize is a whole number, at least 1, not ${batchSize}`);
  }
  const read = (start: number) =>
    Promise.allSettled(images.slice(start, start + batchSize).map((image) => processor.process(image)));
  let reading = read(0);
  for (let start = 0; start < images.length; start += batchSize) {
    const results = await reading;
    reading = read(start + batchSize);
    const indices: number[] = [];
    const pixels: ImageArray[] = [];
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') {
        indices.push(start + i);
        pixels.push(result.value);
      } else if (onError) onError(result.reason, start + i);
      else throw result.reason;
    }
    if (pixels.length === 0) continue;
    const image = stacked(pixels);
    try {
      yield { image, indices };
    } finally {
      image.dispose();
    }
  }
}

/** @returns [B, H, W, 3] */
export const stacked = (pixels: readonly ImageArray[]): tf.Tensor4D =>
  tf.tidy(() => tf.stack(pixels.map(({ data, shape }) => tf.tensor3d(data, shape))) as tf.Tensor4D);
