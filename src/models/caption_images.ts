import type { ImageProcessor } from '../processors/index.js';
import type { GenerateOptions } from './generation/options.js';
import { type ImageBatchOptions, type ImageSource, imageBatches } from './image_batches.js';
import type { CaptionModel } from './uses.js';

export interface CaptionImagesOptions extends GenerateOptions, ImageBatchOptions {
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
  { batchSize, onError, onCaptions, ...options }: CaptionImagesOptions = {},
): Promise<string[][]> {
  const all: string[][] = images.map(() => []);
  for await (const { image, indices } of imageBatches(processor, images, { batchSize, onError })) {
    const captions = await model.generate({ image }, options);
    const each = captions.length / indices.length;
    for (const [place, index] of indices.entries()) {
      all[index] = captions.slice(place * each, (place + 1) * each);
      await onCaptions?.(all[index], index);
    }
  }
  return all;
}
