import { tf } from '../engine/index.js';
import type { ImageArray, ImageProcessor, RgbImage } from '../processors/index.js';
import type { GenerateOptions } from './generation/options.js';
import type { CaptionModel } from './model.js';

/** A path, a file's bytes, or decoded pixels. */
export type ImageSource = string | Uint8Array | RgbImage;

export interface CaptionImagesOptions extends GenerateOptions {
  /** Images at a time; 8 unless given. */
  batchSize?: number;
  /**
   * Hears of an image that cannot be read, which has no captions then and stops nothing; without it the first
   * one is thrown.
   */
  onError?: (error: unknown, index: number) => void;
  /** Hears of an image's captions as soon as they are made. */
  onCaptions?: (captions: readonly string[], index: number) => void | Promise<void>;
}

/**
 * Describes images.
 * @param model evaluated as it is: call `model.eval()` first
 * @param processor what prepares images for the model, such as `visProcessors.eval`
 * @returns for each image its captions: none for one that cannot be read
 * @throws DataError for an image that cannot be read, without `onError`; ConfigError for a wrong option
 */
export async function captionImages(
  model: CaptionModel,
  processor: ImageProcessor,
  images: readonly ImageSource[],
  { batchSize = 8, onError, onCaptions, ...options }: CaptionImagesOptions = {},
): Promise<string[][]> {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`batchSize is a whole number, at least 1, not ${batchSize}`);
  }
  const all: string[][] = images.map(() => []);
  for (let start = 0; start < images.length; start += batchSize) {
    const batch = images.slice(start, start + batchSize);
    const results = await Promise.allSettled(batch.map((image) => processor.process(image)));
    const read: number[] = [];
    const pixels: ImageArray[] = [];
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') {
        read.push(start + i);
        pixels.push(result.value);
      } else if (onError) onError(result.reason, start + i);
      else throw result.reason;
    }
    if (read.length === 0) continue;
    const captions = await generate(model, pixels, options);
    const each = captions.length / read.length;
    for (const [place, index] of read.entries()) {
      all[index] = captions.slice(place * each, (place + 1) * each);
      await onCaptions?.(all[index], index);
    }
  }
  return all;
}

async function generate(
  model: CaptionModel,
  images: readonly ImageArray[],
  options: GenerateOptions,
): Promise<string[]> {
  const batch = tf.tidy(
    () => tf.stack(images.map(({ data, shape }) => tf.tensor3d(data, shape))) as tf.Tensor4D,
  );
  try {
    return await model.generate({ image: batch }, options);
  } finally {
    batch.dispose();
  }
}
