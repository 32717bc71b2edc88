import { DataError } from '../common/errors.js';
import { log } from '../common/logging.js';
import type { Config } from '../config/index.js';
import { indexFolder, type UsedModel, useModel } from '../inference/index.js';
import {
  type AnswerOptions,
  answerQuestions,
  type CaptionModel,
  type FeatureModel,
  type GenerateOptions,
  imageBatches,
  type MatchModel,
  type Model,
  matchImages,
  type QuestionModel,
  type stacked,
} from '../models/index.js';
import { type ImageIndex, search } from '../search/index.js';
import { CaptionTask, VqaTask } from '../tasks/index.js';
import { errorBody } from './http_error.js';
import type {
  Batch,
  Caption,
  Loaded,
  Outcome,
  Progress,
  ServedModel,
  Use,
  Uses,
  WorkerTask,
} from './protocol.js';

/** A model at work, with what its YAML says of generation. */
interface AtWork extends UsedModel<Model> {
  uses: Use[];
  captioning: GenerateOptions;
  answering: AnswerOptions;
}

type Report = (progress: Progress) => void;

/** The models of a worker: loads them once, then carries out batches. */
export class ServedModels {
  readonly #models = new Map<string, AtWork>();
  #index?: { model: string; index: ImageIndex };

  /** @throws LavisError */
  static async load({ models, device, photos }: WorkerTask): Promise<ServedModels> {
    const served = new ServedModels();
    for (const { name, source } of models) served.#models.set(name, await loadOne(source, device));
    if (photos !== undefined) await served.#openPhotos(photos);
    return served;
  }

  get loaded(): Loaded {
    const models = [...this.#models].map(([name, { uses }]): ServedModel => ({ name, uses }));
    return { models, photos: this.#index?.index.paths ?? [] };
  }

  /** What became of each request; one that cannot be read fails alone. */
  async run(batch: Batch, report: Report): Promise<Outcome[]> {
    const model = this.#models.get(batch.model)!;
    try {
      switch (batch.use) {
        case 'caption':
          return await caption(model, batch as Batch<'caption'>, report);
        case 'ask':
          return await ask(model, batch as Batch<'ask'>);
        case 'match':
          return await match(model, batch as Batch<'match'>);
        case 'features':
          return await features(model, batch as Batch<'features'>);
        case 'search':
          return await this.#search(batch as Batch<'search'>);
      }
    } catch (thrown) {
      const error = errorBody(thrown);
      if (error.code === 'internal')
        log.warn(`a batch failed: ${thrown instanceof Error ? thrown.stack : thrown}`);
      return batch.items.map(() => ({ error }));
    }
  }

  /** Indexes the folder with the first model that compares images with texts. */
  async #openPhotos(folder: string): Promise<void> {
    const [name, searcher] = [...this.#models].find(([, { uses }]) => uses.includes('search')) ?? [];
    if (name === undefined || !searcher) return;
    const { index } = await indexFolder(searcher, folder);
    this.#index = { model: name, index };
    for (const [other, atWork] of this.#models) {
      if (other !== name) atWork.uses = atWork.uses.filter((use) => use !== 'search');
    }
  }

  async #search({ items }: Batch<'search'>): Promise<Outcome<'search'>[]> {
    const { index } = this.#index!;
    const outcomes: Outcome<'search'>[] = [];
    for (const { text, image, imageWeight, top, rerank } of items) {
      outcomes.push(
        await settled<'search'>(async () => {
          const found = await search(index, { text, image, imageWeight }, { top, rerank });
          const below = index.folder.length + 1;
          return {
            results: found.map(({ path, ...scores }) => ({ path: path.slice(below), ...scores })),
            images: index.paths.length,
          };
        }),
      );
    }
    return outcomes;
  }
}

async function loadOne(source: Parameters<typeof useModel>[0], device?: string): Promise<AtWork> {
  let config: Config | undefined;
  const used = await useModel<Model>(source, {
    caller: 'lavis serve',
    arch: 'blip_caption',
    device,
    check: (found) => {
      config = found;
    },
    accept: servable,
  });
  const uses = usesOf(used.model);
  const {
    annotationFiles: _,
    questionFiles: __,
    ...answering
  } = uses.includes('ask') && config ? VqaTask.setupTask(config).settings : {};
  return {
    ...used,
    uses,
    captioning: uses.includes('caption') && config ? CaptionTask.setupTask(config).settings : {},
    answering,
  };
}

const METHODS: Readonly<Record<Use, string>> = {
  caption: 'generate',
  ask: 'predictAnswers',
  match: 'matchPairs',
  features: 'imageFeatures',
  search: 'imageFeatures',
};

const usesOf = (model: Model): Use[] =>
  (Object.keys(METHODS) as Use[]).filter(
    (use) => typeof (model as unknown as Record<string, unknown>)[METHODS[use]] === 'function',
  );

/** @throws DataError for a model that nothing can be asked of */
function servable(model: Model): Model {
  if (usesOf(model).length > 0) return model;
  throw new DataError('the model cannot be served', {
    found: model.constructor.name,
    allowed:
      'a model that captions, answers, matches or compares: blip_caption, blip_vqa, blip_image_text_matching',
  });
}

async function caption(
  { model, processor, captioning }: AtWork,
  { shared, items }: Batch<'caption'>,
  _report: Report,
): Promise<Outcome<'caption'>[]> {
  const options = { ...captioning, ...shared.settings };
  return ofImages<'caption'>(items, processor, async (image, indices) => {
    const prompt = indices.map((index) => items[index].prompt ?? null);
    const texts = await (model as CaptionModel).generate({ image, prompt }, options);
    const each = texts.length / indices.length;
    return indices.map((_, place) => ({
      captions: texts.slice(place * each, (place + 1) * each).map((text): Caption => ({ text })),
    }));
  });
}

async function ask(
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

async function match(
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

async function features(
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

const imagesOf = (items: readonly { image?: Uint8Array }[]) => items.map(({ image }) => image!);

/** Does something with the images that can be read, all at once. */
async function ofImages<U extends Use>(
  items: readonly { image?: Uint8Array }[],
  processor: UsedModel<Model>['processor'],
  work: (image: ReturnType<typeof stacked>, indices: number[]) => Promise<Uses[U]['result'][]>,
): Promise<Outcome<U>[]> {
  const outcomes: Outcome<U>[] = [];
  const onError = (error: unknown, index: number) => {
    outcomes[index] = { error: errorBody(error) };
  };
  for await (const { image, indices } of imageBatches(processor, imagesOf(items), {
    batchSize: items.length,
    onError,
  })) {
    const values = await work(image, indices);
    for (const [place, index] of indices.entries()) outcomes[index] = { value: values[place] };
  }
  return outcomes;
}

async function settled<U extends Use>(work: () => Promise<Uses[U]['result']>): Promise<Outcome<U>> {
  try {
    return { value: await work() };
  } catch (thrown) {
    return { error: errorBody(thrown) };
  }
}
