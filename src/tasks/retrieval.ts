import { ConfigError, DataError } from '../common/errors.js';
import { registry } from '../common/registry.js';
import { type Config, key, section, types } from '../config/index.js';
import type { Batch, Dataset, RetrievalDataset } from '../datasets/index.js';
import type { tf } from '../engine/index.js';
import { retrievalMetrics } from '../metrics/index.js';
import type { Model, SimMatrices, SimMatrixOptions, SimMatrixSamples } from '../models/index.js';
import {
  BaseTask,
  disposeSamples,
  type EvaluatedSplit,
  type EvaluationContext,
  type Metrics,
  toSamples,
} from './base_task.js';
import { type EvaluationResult, pythonJson, type ShownSample, type ShownSamples } from './results.js';

/** The keys of `run` that the task reads. */
const retrievalSchema = section({
  k_test: key(
    types.natural,
    undefined,
    'How many texts for each image, and images for each text, are reranked with the matching head; required.',
  ),
});

/** A model that scores how well images and texts match. */
interface RetrievalModel extends Model {
  computeSimMatrix(samples: SimMatrixSamples, options: SimMatrixOptions): Promise<SimMatrices>;
}

/** How many images, and how many texts, are shown with their results. */
const SHOWN = 50;
/** How many results are listed for each. */
const LISTED = 5;

/**
 * Image-to-text and text-to-image retrieval: every image of a split against every text.
 * Source: lavis/tasks/retrieval.py.
 */
@registry.registerTask('retrieval')
export class RetrievalTask extends BaseTask {
  static readonly configSchema = retrievalSchema;
  readonly resultKey = 'image_id';
  /** Every rank loads all images; the rows of the similarity matrix are divided among ranks. */
  override readonly sharesSamples = false;
  override readonly primaryMetric = 'txt_r_mean';
  override readonly shownMetrics = ['img_r_mean', 'txt_r1', 'img_r1'];

  /** @param kTest how many of each row are reranked, at most the row's length */
  constructor(readonly kTest: number) {
    super();
  }

  /** @throws ConfigError without k_test, which has no default in the reference either */
  static setupTask(config: Config): RetrievalTask {
    const { k_test } = config.read('run', retrievalSchema);
    if (k_test !== undefined) return new RetrievalTask(k_test);
    throw new ConfigError('run.k_test is missing', {
      allowed: 'how many candidates of each row to rerank: LAVIS uses 256 for COCO, 128 for Flickr30k',
      help: '--options run.k_test=128',
    });
  }

  override async evaluation(model: Model, split: EvaluatedSplit): Promise<EvaluationResult[]> {
    const { comm, onPart } = split;
    const { text: texts } = retrievalDataset(split.dataset);
    const scores = await retrievalModel(model).computeSimMatrix(
      { images: imagesOf(split), texts },
      { kTest: this.kTest, comm, onRow: (done, rows) => onPart?.('matching', done, rows) },
    );
    return [{ ...scores }];
  }

  override async metricNames(): Promise<readonly string[]> {
    return Object.keys(retrievalMetrics([[1]], [[1]], { txt2img: [0], img2txt: [[0]] }));
  }

  override async checkEvaluation(_split: string, dataset: Dataset): Promise<void> {
    const { name, length, img2txt } = retrievalDataset(dataset);
    const without = Array.from({ length }, (_, image) => image).filter((image) => !img2txt[image]?.length);
    if (without.length === 0) return;
    const sources = [...(dataset.sources?.() ?? [])];
    throw new DataError(`${without.length} of the ${length} images of ${name} have no text`, {
      where: without
        .slice(0, 5)
        .map((image) => sources[image]?.source ?? `image ${image}`)
        .join('\n'),
      allowed: 'at least one caption for each image',
    });
  }

  async afterEvaluation(
    [scores]: EvaluationResult[],
    { dataset, writeLine }: EvaluationContext,
  ): Promise<Metrics> {
    const { scoreI2t, scoreT2i } = scores as unknown as SimMatrices;
    const metrics = retrievalMetrics(scoreI2t, scoreT2i, retrievalDataset(dataset));
    await writeLine('evaluate.txt', pythonJson(metrics));
    return metrics;
  }

  /** The texts found for some images, and the images found for some texts. */
  override async show(
    [scores]: EvaluationResult[],
    { dataset }: Pick<EvaluationContext, 'dataset'>,
  ): Promise<ShownSamples> {
    const { scoreI2t, scoreT2i } = scores as unknown as SimMatrices;
    const set = retrievalDataset(dataset);
    const images = imageNames(set);
    const ofImages = evenly(scoreI2t.length).map((image): ShownSample => {
      const own = set.img2txt[image];
      const best = bestOf(scoreI2t[image]);
      const rank = Math.min(...own.map((text) => best.indexOf(text)));
      return {
        id: images[image].id,
        files: images[image].files,
        asked: 'texts for this image',
        said: listed(best, rank, (text) => set.text[text]),
        references: own.map((text) => set.text[text]),
        score: 1 / (rank + 1),
      };
    });
    const ofTexts = evenly(scoreT2i.length).map((text): ShownSample => {
      const own = set.txt2img[text];
      const best = bestOf(scoreT2i[text]);
      const rank = best.indexOf(own);
      return {
        id: `text ${text}`,
        files: best.slice(0, LISTED).flatMap((image) => images[image].files),
        asked: set.text[text],
        said: listed(best, rank, (image) => String(images[image].id)),
        references: [`image ${images[own].id}`],
        score: 1 / (rank + 1),
      };
    });
    return { score: '1 / rank', samples: [...ofImages, ...ofTexts] };
  }
}

async function* imagesOf({ batches, onBatch }: EvaluatedSplit): AsyncGenerator<tf.Tensor4D> {
  let done = 0;
  for await (const batch of batches) {
    const { image, ...rest } = toSamples(batch) as Batch;
    disposeSamples(rest);
    yield image as tf.Tensor4D; // the model disposes of it
    await onBatch?.(++done);
  }
}

/** @throws DataError for a dataset of another kind */
function retrievalDataset(dataset: Dataset): RetrievalDataset {
  if (Array.isArray((dataset as Partial<RetrievalDataset>).text) && 'img2txt' in dataset) {
    return dataset as RetrievalDataset;
  }
  throw new DataError(`${dataset.name} is not a retrieval dataset`, {
    allowed: 'a retrieval dataset: coco_retrieval, flickr30k, custom_retrieval, shapes_retrieval',
  });
}

/** @throws ConfigError for a model that does not compare images with texts */
function retrievalModel(model: Model): RetrievalModel {
  if ('computeSimMatrix' in model) return model as RetrievalModel;
  throw new ConfigError('the model does not compare images with texts', {
    found: `${model.constructor.name}, without computeSimMatrix()`,
    allowed: 'blip_retrieval, or a model with computeSimMatrix(samples, options)',
  });
}

/** The name and file of each image. */
function imageNames(dataset: Dataset): { id: number | string; files: string[] }[] {
  const sources = [...(dataset.sources?.() ?? [])];
  return Array.from({ length: dataset.length }, (_, place) => {
    const { image_id, image, file } = sources[place] ?? {};
    return { id: image_id ?? image ?? place, files: file === undefined ? [] : [file] };
  });
}

/** Indices of a row, best first; among equal scores the higher index first, as in the recall metric. */
const bestOf = (row: readonly number[]) =>
  row.map((_, place) => place).sort((a, b) => row[b] - row[a] || b - a);

/** '1. a red car  2. …', and the rank of the right one if it is further down. */
function listed(best: readonly number[], rank: number, nameOf: (place: number) => string): string {
  const first = best
    .slice(0, LISTED)
    .map((place, i) => `${i + 1}. ${nameOf(place)}${i === rank ? ' ✓' : ''}`);
  return [...first, ...(rank < LISTED ? [] : [`… the right one is number ${rank + 1}`])].join('\n');
}

/** Some indices out of many, evenly spaced. */
const evenly = (count: number) =>
  Array.from({ length: Math.min(count, SHOWN) }, (_, i) => Math.floor((i * count) / Math.min(count, SHOWN)));
