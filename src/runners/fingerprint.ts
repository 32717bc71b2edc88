import { CheckpointError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { fingerprintOf, type Splits } from '../datasets/index.js';
import { decisiveSplit, type RunSettings } from './settings.js';

/**
 * What decides which sample comes when, and what the best score is a score of: values by the name of the key that
 * sets them, or of the dataset.
 */
export interface Fingerprint {
  training: Record<string, string>;
  /** The split that chooses the best checkpoint. */
  evaluation: Record<string, string>;
}

/** Of a run as it is configured now. @param worldSize workers */
export function runFingerprint(
  datasets: Readonly<Record<string, Splits>>,
  settings: RunSettings,
  worldSize: number,
): Fingerprint {
  const decisive = decisiveSplit(settings);
  const { runner, itersPerInnerEpoch, trainDatasetRatios, accumGradIters } = settings;
  return {
    training: {
      workers: String(worldSize),
      'run.runner': runner,
      'run.seed': String(settings.seed),
      'run.batch_size_train': String(settings.batchSizeTrain),
      'run.accum_grad_iters': String(accumGradIters),
      ...(runner === 'runner_iter' && {
        'run.iters_per_inner_epoch': String(itersPerInnerEpoch ?? 'one pass'),
      }),
      ...(trainDatasetRatios && { 'run.train_dataset_ratios': trainDatasetRatios.join(', ') }),
      'run.train_splits': settings.trainSplits.join(', '),
      ...(settings.cacheImageEmbeds && { 'run.cache_views': String(settings.cacheViews ?? 'of evaluation') }),
      ...contentsOf(datasets, settings.trainSplits),
    },
    evaluation: decisive === undefined ? {} : contentsOf(datasets, [decisive]),
  };
}

function contentsOf(
  datasets: Readonly<Record<string, Splits>>,
  splits: readonly string[],
): Record<string, string> {
  const contents: Record<string, string> = {};
  for (const [name, bySplit] of Object.entries(datasets)) {
    for (const split of splits) {
      const dataset = bySplit[split];
      if (dataset) contents[`${name} ${split}`] = fingerprintOf(dataset);
    }
  }
  return contents;
}

/** What is no longer as the checkpoint had it. */
export interface Changes {
  /** Samples come in another order: the place within an epoch means nothing any more. */
  training: boolean;
  /** Scores are of other data: the best one cannot be compared with those to come. */
  evaluation: boolean;
}

/**
 * Compares a run with the checkpoint that it goes on from.
 * @param accepted `run.resume_changed`
 * @throws CheckpointError naming every difference, unless they are accepted
 */
export function compareRun(
  path: string,
  saved: Fingerprint | undefined,
  now: Fingerprint,
  accepted: boolean,
): Changes {
  if (!saved) {
    log.warn(
      `${path} has no fingerprint: whether data, splits, batch size and workers are those it was trained with is not known`,
    );
    return { training: false, evaluation: false };
  }
  const training = differences(saved.training, now.training, true);
  // A run may be given another split to choose the best by; the same split is to be of the same data.
  const evaluation = differences(saved.evaluation, now.evaluation, false);
  const all = [...training, ...evaluation];
  if (all.length > 0 && !accepted) {
    throw new CheckpointError('the run is not the one that the checkpoint was saved by', {
      where: path,
      found: all.join('\n'),
      help: [
        'with the values that it had, the run goes on as if it had never stopped',
        '--options run.resume_changed=True accepts the differences: an epoch that was not finished begins again,',
        'and the best checkpoint is chosen anew where the data that choose it are others',
        'model.load_finetuned=True model.finetuned=PATH begins a new run with its weights',
      ].join('\n'),
    });
  }
  if (all.length > 0) log.warn(`the run is not the one that the checkpoint was saved by: ${all.join('; ')}`);
  return { training: training.length > 0, evaluation: evaluation.length > 0 };
}

function differences(a: Record<string, string>, b: Record<string, string>, all: boolean): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names
    .filter((name) => a[name] !== b[name] && (all || (name in a && name in b)))
    .map((name) => `${name}: ${a[name] ?? 'not there'} then, ${b[name] ?? 'not there'} now`);
}
