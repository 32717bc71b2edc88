import type { ImageProcessor, TextProcessor } from '../processors/index.js';
import { type ImageBatchOptions, type ImageSource, imageBatches } from './image_batches.js';
import type { AnswerOptions, QuestionModel } from './uses.js';

export interface AnswerQuestionsOptions extends AnswerOptions, ImageBatchOptions {
  /** What questions go through first, such as `txtProcessors.eval`; they are asked as they stand unless given. */
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
