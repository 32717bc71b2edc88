import { ConfigError, DataError } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';
import { log } from '../common/logging.js';
import { registry } from '../common/registry.js';
import { section } from '../config/index.js';
import type { Batch, ClassificationDataset, Dataset } from '../datasets/index.js';
import type { Model, Predictions, Samples } from '../models/index.js';
import { BaseTask, disposeSamples, type EvaluationContext, type Metrics, toSamples } from './base_task.js';
import { type EvaluationResult, pythonJson, resultFile, type ShownSamples } from './results.js';

/** A model that predicts a class. */
interface Classifier extends Model {
  predict(samples: Samples): Predictions;
}

/** A predicted class, and the true one where it is known. */
interface ClassResult {
  instance_id: string;
  prediction: number;
  target?: number;
}

/**
 * Classifies texts about images: NLVR2's true and false, SNLI-VE's entailment. Accuracy is a fraction from 0 to 1.
 * Source: lavis/tasks/multimodal_classification.py.
 */
@registry.registerTask('multimodal_classification')
export class MultimodalClassificationTask extends BaseTask {
  static readonly configSchema = section({});
  readonly resultKey = 'instance_id';
  override readonly primaryMetric = 'acc';

  static setupTask(): MultimodalClassificationTask {
    return new MultimodalClassificationTask();
  }

  override async validStep(model: Model, batch: Batch): Promise<EvaluationResult[]> {
    const samples = toSamples(batch);
    try {
      const { predictions, targets } = classifier(model).predict(samples);
      const classes = await argmax(predictions);
      const ids = batch.instance_id as string[];
      return classes.map((prediction, i) => ({ instance_id: ids[i], prediction, target: targets[i] }));
    } finally {
      disposeSamples(samples);
    }
  }

  override async checkEvaluation(_split: string, dataset: Dataset): Promise<void> {
    const first = dataset.job?.(0).record;
    if (!first || 'label' in first || 'classLabels' in dataset) return;
    throw new DataError(`${dataset.name} has no labels to predict`, {
      found: `samples of ${Object.keys(first).join(', ')}`,
      allowed: 'a dataset with labels: nlvr, snli_ve, shapes_nlvr',
    });
  }

  override async metricNames(): Promise<readonly string[]> {
    return ['agg_metrics', 'acc'];
  }

  override async afterEvaluation(
    given: EvaluationResult[],
    { split, epoch, resultDir, writeLine }: EvaluationContext,
  ): Promise<Metrics | undefined> {
    const file = resultFile(resultDir, split, epoch);
    await writeFileAtomic(file, pythonJson(given));
    log.info(`${given.length} predictions of ${split} are in ${file}`);
    const results = given as unknown as ClassResult[];
    const labelled = results.filter(({ target }) => target !== undefined);
    if (labelled.length < results.length) {
      log.warnOnce(`${split} has samples without a label: its predictions are written, not scored`);
      return undefined;
    }
    const acc = labelled.filter(({ prediction, target }) => prediction === target).length / labelled.length;
    const metrics: Metrics = { agg_metrics: acc, acc };
    await writeLine('evaluate.txt', pythonJson({ [split]: metrics }));
    return metrics;
  }

  override async show(
    given: EvaluationResult[],
    { dataset }: Pick<EvaluationContext, 'dataset'>,
  ): Promise<ShownSamples> {
    const { classLabels = [] } = dataset as Partial<ClassificationDataset>;
    const name = (label: number) => classLabels[label] ?? `class ${label}`;
    const files = dataset.imageFiles?.();
    const texts = new Map<unknown, unknown>();
    for (let i = 0; i < dataset.length; i++) {
      const { instance_id, text_input } = dataset.job?.(i).record ?? {};
      texts.set(instance_id, text_input);
    }
    const results = given as unknown as ClassResult[];
    const scored = results.some(({ target }) => target !== undefined);
    return {
      score: scored ? 'right' : undefined,
      samples: results.map(({ instance_id, prediction, target }) => ({
        id: instance_id,
        files: files?.get(instance_id) ?? [],
        asked: texts.has(instance_id) ? String(texts.get(instance_id)) : undefined,
        said: name(prediction),
        references: target === undefined ? [] : [name(target)],
        score: target === undefined ? undefined : Number(prediction === target),
      })),
    };
  }
}

/** @param logits [B, classes]; disposed */
async function argmax(logits: Predictions['predictions']): Promise<number[]> {
  const rows = await logits.array();
  logits.dispose();
  return rows.map((row) => row.indexOf(Math.max(...row)));
}

/** @throws ConfigError for a model that does not classify */
function classifier(model: Model): Classifier {
  if ('predict' in model) return model as Classifier;
  throw new ConfigError('the model is not a classifier', {
    found: `${model.constructor.name}, without predict()`,
    allowed: 'blip_nlvr, blip_classification, or a model with predict(samples)',
  });
}
