import { z } from 'zod';
import { DataError } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';
import { sevenDigits } from '../common/json.js';
import { log } from '../common/logging.js';
import { resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { type Config, key, types } from '../config/index.js';
import { type Batch, type Dataset, numericId } from '../datasets/index.js';
import { CAPTION_METRICS, cocoEvaluate, idKey, readReferences } from '../metrics/index.js';
import {
  captionModel,
  checkedOptions,
  type GenerateOptions,
  generationConflicts,
  generationKeys,
  generationOptions,
  type Model,
  type PromptedSamples,
  scoredCaptions,
} from '../models/index.js';
import { BaseTask, disposeSamples, type EvaluationContext, type Metrics, toSamples } from './base_task.js';
import { compareIds, type IdComparison, refuseIds } from './evaluation_ids.js';
import { type EvaluationResult, pythonJson, resultFile, type ShownSamples } from './results.js';

/** The keys of `run` that the task reads. */
const captioningSchema = z.strictObject({
  ...generationKeys,
  report_metric: key(types.flag, true, 'Score the captions; otherwise only write them.'),
  annotation_file: key(
    z.union([types.text, z.record(z.string(), types.text)]),
    undefined,
    "Ground truth in place of the dataset's: a COCO annotation file, or one for each split.",
  ),
  sample_id_key: key(types.text, undefined, 'Accepted for LAVIS; ground truth has `image_id`.'),
  caption_key: key(types.text, undefined, 'Accepted for LAVIS; ground truth has `caption`.'),
  load_gt_from_file: key(types.flag, undefined, 'Accepted for LAVIS; `annotation_file` alone is enough.'),
  img_ids: key(
    z.array(z.union([z.number(), z.string()])),
    undefined,
    'Accepted for LAVIS; every image of a split is evaluated.',
  ),
});

/** An entry of a result file. */
interface CaptionResult {
  image_id: number | string;
  caption: string;
  /** The mean over the caption's tokens; readers of COCO results ignore it. */
  log_probability?: number;
}

/**
 * Image captioning. Repetition and length penalty default to 1, as in the published BLIP results; the reference's
 * task defaults to 1.15 and 0. Source: lavis/tasks/captioning.py.
 */
@registry.registerTask('captioning')
export class CaptionTask extends BaseTask {
  static readonly configSchema = captioningSchema;
  static readonly conflictsIn = generationConflicts;
  readonly resultKey = 'image_id';
  /** CIDEr by image id, from the last scored results. */
  readonly #ciders = new WeakMap<EvaluationResult[], Map<string, number>>();
  override readonly primaryMetric = 'CIDEr';
  override readonly shownMetrics = ['Bleu_4', 'METEOR', 'ROUGE_L', 'SPICE'];

  constructor(
    /** How captions are generated in an evaluation. */
    readonly settings: GenerateOptions = {},
    readonly reportMetric = true,
    /** Ground truth in place of the dataset's: a COCO annotation file for every split, or one for each. */
    readonly annotationFile?: string | Record<string, string>,
  ) {
    super();
  }

  static setupTask(config: Config): CaptionTask {
    const keys = config.read('run', captioningSchema);
    const settings = generationOptions(keys);
    checkedOptions(settings); // now, not after the first epoch
    return new CaptionTask(settings, keys.report_metric, keys.annotation_file);
  }

  override async validStep(model: Model, batch: Batch): Promise<EvaluationResult[]> {
    const samples = toSamples(batch);
    const ids = batch.image_id as (number | string)[] | undefined;
    try {
      const captions = await scoredCaptions(captionModel(model), samples as PromptedSamples, this.settings);
      return captions.map(({ caption, logProbability }, i) => ({
        caption,
        image_id: evaluationId(ids?.[i]),
        ...(logProbability === undefined ? {} : { log_probability: sevenDigits(logProbability) }),
      }));
    } finally {
      disposeSamples(samples);
    }
  }

  override async afterEvaluation(
    results: EvaluationResult[],
    { split, epoch, resultDir, dataset, writeLine }: EvaluationContext,
  ): Promise<Metrics | undefined> {
    const file = resultFile(resultDir, split, epoch);
    await writeFileAtomic(file, pythonJson(results));
    log.info(`${results.length} captions of ${split} are in ${file}`);
    // The reference reports 0 for every epoch; then the first would count as the best checkpoint.
    if (!this.reportMetric) return undefined;
    const references = this.#givenTruth(split) ?? dataset.groundTruth?.();
    if (references === undefined) {
      log.warnOnce(`${split} has no ground truth: its captions are written but not scored`);
      return undefined;
    }
    const { overall, evalImgs } = await cocoEvaluate(results, references);
    this.#ciders.set(
      results,
      new Map(evalImgs.map(({ image_id, CIDEr }) => [idKey(image_id), Number(CIDEr)])),
    );
    const scores = { ...overall } as Metrics;
    const { agg_metrics: _, ...reported } = scores;
    await writeLine('evaluate.txt', pythonJson({ [split]: reported }));
    return scores;
  }

  override async show(
    results: EvaluationResult[],
    { split, dataset }: Pick<EvaluationContext, 'split' | 'dataset'>,
  ): Promise<ShownSamples> {
    const files = new Map([...(dataset.imageFiles?.() ?? [])].map(([id, file]) => [idKey(id), file]));
    const truth = this.#givenTruth(split) ?? dataset.groundTruth?.();
    const references = truth === undefined ? undefined : await readReferences(truth);
    const ciders = this.#ciders.get(results);
    const samples = (results as unknown as CaptionResult[]).map(({ image_id, caption, log_probability }) => {
      const key = idKey(image_id);
      return {
        id: image_id,
        files: files.get(key) ?? [],
        said: caption,
        references: references?.get(key)?.captions ?? [],
        score: ciders?.get(key),
        logProbability: log_probability,
      };
    });
    return { score: ciders && 'CIDEr', samples };
  }

  override async checkEvaluation(split: string, dataset: Dataset): Promise<void> {
    refuseLongPrompts(dataset, this.settings.maxLength);
    refuseIds(dataset.name, await this.compareIds(split, dataset), this.#givenTruth(split));
  }

  override async metricNames(): Promise<readonly string[]> {
    return this.reportMetric ? ['agg_metrics', ...CAPTION_METRICS] : [];
  }

  override async compareIds(split: string, dataset: Dataset): Promise<IdComparison> {
    const truth = this.reportMetric ? (this.#givenTruth(split) ?? dataset.groundTruth?.()) : undefined;
    return compareIds(
      dataset.sources?.() ?? [],
      truth === undefined ? undefined : await readReferences(truth),
    );
  }

  /** The file of `run.annotation_file`. */
  #givenTruth(split: string): string | undefined {
    const given = typeof this.annotationFile === 'object' ? this.annotationFile[split] : this.annotationFile;
    return given ? resolveFile(given) : undefined;
  }
}

/** Checked up front, not after the first epoch. @throws DataError for a prompt with more words than `max_len` tokens */
function refuseLongPrompts(dataset: Dataset, maxLength = Number.POSITIVE_INFINITY): void {
  for (let i = 0; dataset.job && i < dataset.length; i++) {
    const { prompt, source } = dataset.job(i).record;
    if (typeof prompt !== 'string') continue;
    const words = prompt.trim().split(/\s+/).length;
    // [DEC] precedes it, and at least one word follows.
    if (words + 2 <= maxLength) continue;
    throw new DataError('a prompt leaves no room for a caption', {
      where: String(source),
      found: `${words} words: ${prompt.slice(0, 160)}`,
      help: `run.max_len (${maxLength} tokens) includes the prompt: raise it`,
    });
  }
}

/** An id as written to result files: numeric text becomes a number, '000000391895' -> 391895. */
export const evaluationId = (id: number | string | undefined) =>
  typeof id === 'string' ? numericId(id) : id;
