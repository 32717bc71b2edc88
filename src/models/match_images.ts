import { tf } from '../engine/index.js';
import type { ImageProcessor, TextProcessor } from '../processors/index.js';
import { type ImageBatchOptions, type ImageSource, imageBatches } from './image_batches.js';
import type { MatchModel } from './uses.js';

/** How a text fits an image. */
export interface ImageMatch {
  /** That they belong together, from 0 to 1, by reading the text beside the image. */
  probability: number;
  /** The cosine of their features, from -1 to 1. */
  similarity: number;
}

export interface MatchImagesOptions extends ImageBatchOptions {
  /** What texts go through first, such as `txtProcessors.eval`; they are taken as they stand unless given. */
  textProcessor?: TextProcessor;
  /** Hears of an image's matches as soon as they are made. */
  onMatches?: (matches: readonly ImageMatch[], index: number) => void | Promise<void>;
}

/**
 * Compares all images with all texts.
 * @param model evaluated as it is: call `model.eval()` first
 * @param processor what prepares images for the model, such as `visProcessors.eval`
 * @returns for each image how each text fits it: nothing for one that cannot be read
 * @throws DataError for an image that cannot be read, without `onError`
 */
export async function matchImages(
  model: MatchModel,
  processor: ImageProcessor,
  images: readonly ImageSource[],
  texts: readonly string[],
  { batchSize, onError, onMatches, textProcessor }: MatchImagesOptions = {},
): Promise<ImageMatch[][]> {
  const read = texts.map((text) => textProcessor?.apply(text) ?? text);
  const all: ImageMatch[][] = images.map(() => []);
  if (read.length === 0) return all;
  for await (const { image, indices } of imageBatches(processor, images, { batchSize, onError })) {
    const matches = model.matchPairs(image, read);
    const [probabilities, similarities] = await Promise.all([
      matches.probability.data(),
      matches.similarity.data(),
    ]);
    tf.dispose([matches.probability, matches.similarity]);
    for (const [place, index] of indices.entries()) {
      all[index] = read.map((_, text) => ({
        probability: probabilities[place * read.length + text],
        similarity: similarities[place * read.length + text],
      }));
      await onMatches?.(all[index], index);
    }
  }
  return all;
}
