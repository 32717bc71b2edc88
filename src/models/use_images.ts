import { tf } from '../engine/index.js';
import type { ImageArray, ImageProcessor, RgbImage, TextProcessor } from '../processors/index.js';
import type { GenerateOptions } from './generation/options.js';
import {
  type AnswerOptions,
  type CaptionModel,
  type MatchModel,
  type QuestionModel,
  type ScoredCaption,
  scoredCaptions,
} from './uses.js';

/** A path, a file's bytes, or decoded pixels. */
export type ImageSource = string | Uint8Array | RgbImage;

export interface ImageBatchOptions {
  /** Images at a time; 8 by default. */
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

export interface CaptionImagesOptions extends GenerateOptions, ImageBatchOptions {
  /** Hears of an image's captions as soon as they are made, and of how sure the model is of them. */
  onCaptions?: (
    captions: readonly string[],
    index: number,
    scored: readonly ScoredCaption[],
  ) => void | Promise<void>;
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
    const captions = await scoredCaptions(model, { image }, options);
    const each = captions.length / indices.length;
    for (const [place, index] of indices.entries()) {
      const own = captions.slice(place * each, (place + 1) * each);
      all[index] = own.map(({ caption }) => caption);
      await onCaptions?.(all[index], index, own);
    }
  }
  return all;
}

/** How a text fits an image. */
export interface ImageMatch {
  /** That they belong together, from 0 to 1, by reading the text beside the image. */
  probability: number;
  /** The cosine of their features, from -1 to 1. */
  similarity: number;
}

export interface MatchImagesOptions extends ImageBatchOptions {
  /** What texts go through first, such as `txtProcessors.eval`; they are taken as they stand by default. */
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

export interface AnswerQuestionsOptions extends AnswerOptions, ImageBatchOptions {
  /** What questions go through first, such as `txtProcessors.eval`; they are asked as they stand by default. */
  textProcessor?: TextProcessor;
  /** Hears of an image's answers as soon as they are made. */
  onAnswers?: (answers: readonly string[], index: number) => void | Promise<void>;
}

/**
 * Asks questions about images, all of every image. An image is encoded once, and a batch has one question, so that
 * no answer depends on what else is asked.
 * @param model evaluated as it is: call `model.eval()` first
 * @param processor what prepares images for the model, such as `visProcessors.eval`
 * @returns for each image an answer to each question: none for one that cannot be read
 * @throws DataError for an image that cannot be read, without `onError`; ConfigError for a wrong option
 */
export async function answerQuestions(
  model: QuestionModel,
  processor: ImageProcessor,
  images: readonly ImageSource[],
  questions: readonly string[],
  { batchSize, onError, onAnswers, textProcessor, ...options }: AnswerQuestionsOptions = {},
): Promise<string[][]> {
  const asked = questions.map((question) => textProcessor?.apply(question) ?? question);
  const all: string[][] = images.map(() => []);
  for await (const { image, indices } of imageBatches(processor, images, { batchSize, onError })) {
    const image_embeds = model.encodeImages?.(image);
    const seen = image_embeds ? { image_embeds } : { image };
    try {
      for (const question of asked) {
        const text_input = indices.map(() => question);
        const answers = await model.predictAnswers({ ...seen, text_input }, options);
        for (const [place, index] of indices.entries()) all[index].push(answers[place]);
      }
    } finally {
      image_embeds?.dispose();
    }
    for (const index of indices) await onAnswers?.(all[index], index);
  }
  return all;
}
