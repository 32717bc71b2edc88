import {
  answerQuestions,
  type FeatureModel,
  type MatchModel,
  matchImages,
  type QuestionModel,
} from '../models/index.js';
import { type AtWork, imagesOf, ofImages } from './at_work.js';
import { errorBody } from './http_error.js';
import type { Batch, Outcome } from './protocol.js';

export async function ask(
  { model, processor, textProcessor, answering }: AtWork,
  { shared: { questions, settings }, items }: Batch<'ask'>,
): Promise<Outcome<'ask'>[]> {
  const list = settings.answerList;
  const errors = new Map<number, unknown>();
  const answers = await answerQuestions(model as QuestionModel, processor, imagesOf(items), questions, {
    ...answering,
    inferenceMethod: list ? 'rank' : 'generate',
    ...settings,
    textProcessor,
    batchSize: items.length,
    onError: (error, index) => errors.set(index, error),
  });
  return items.map((_, i) =>
    errors.has(i)
      ? { error: errorBody(errors.get(i)) }
      : { value: { answers: questions.map((question, k) => ({ question, answer: answers[i][k] })) } },
  );
}

export async function match(
  { model, processor, textProcessor }: AtWork,
  { shared: { texts }, items }: Batch<'match'>,
): Promise<Outcome<'match'>[]> {
  const errors = new Map<number, unknown>();
  const matches = await matchImages(model as MatchModel, processor, imagesOf(items), texts, {
    textProcessor,
    batchSize: items.length,
    onError: (error, index) => errors.set(index, error),
  });
  return items.map((_, i) =>
    errors.has(i)
      ? { error: errorBody(errors.get(i)) }
      : { value: { matches: texts.map((text, k) => ({ text, ...matches[i][k] })) } },
  );
}

export async function features(
  { model, processor, textProcessor }: AtWork,
  { shared, items }: Batch<'features'>,
): Promise<Outcome<'features'>[]> {
  const comparing = model as FeatureModel;
  const ofTexts = shared.text
    ? await rows(() => comparing.textFeatures(items.map(({ text = '' }) => textProcessor.apply(text))))
    : undefined;
  if (!shared.image) return items.map((_, i) => ({ value: { text: ofTexts![i] } }));
  return ofImages<'features'>(items, processor, async (image, indices) => {
    const ofImage = await rows(() => comparing.imageFeatures(image));
    return indices.map((index, place) => {
      const [one, other] = [ofImage[place], ofTexts?.[index]];
      if (!other) return { image: one };
      return {
        image: one,
        text: other,
        similarity: one.reduce((sum, value, i) => sum + value * other[i], 0),
      };
    });
  });
}

async function rows(make: () => ReturnType<FeatureModel['imageFeatures']>): Promise<number[][]> {
  const tensor = make();
  const values = await tensor.array();
  tensor.dispose();
  return values;
}
