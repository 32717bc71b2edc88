import { ConfigError } from '../common/errors.js';
import { registry } from '../common/registry.js';
import type { Config } from '../config/index.js';
import { checkSamples, type Dataset, type Splits } from '../datasets/index.js';
import type { Model } from '../models/index.js';
import type { BaseTask } from './base_task.js';

/** One dataset of a run. */
export function buildDataset(config: Config, name: string, splits?: readonly string[]): Promise<Splits> {
  return registry.getBuilderClass(name).fromConfig(config.datasets[name]).buildDatasets(splits);
}

/** @throws ConfigError when the configuration names no dataset. */
export function datasetNames(config: Config): string[] {
  const names = Object.keys(config.datasets);
  if (names.length === 0) {
    throw new ConfigError('the configuration names no dataset', {
      where: 'datasets',
      allowed: registry.listDatasets().join(', '),
    });
  }
  return names;
}

/**
 * The model that `model.arch` names, with the weights that its section names. Weights may be missing only for
 * training.
 */
export function buildModel(config: Config, { training }: { training: boolean }): Promise<Model> {
  const options = { seed: seedOf(config), training };
  return registry.getModelClass(String(config.model.arch)).fromConfig(config.model, options);
}

/** The splits that a run uses; without training, only its test splits. */
export function usedSplits(config: Config, { training }: { training: boolean }): string[] {
  const { run } = config;
  const listed = (key: string) => (Array.isArray(run[key]) ? (run[key] as string[]) : []);
  const trained = training
    ? [...(run.train_splits ? listed('train_splits') : ['train']), ...listed('valid_splits')]
    : [];
  return [...new Set([...trained, ...listed('test_splits')])];
}

const seedOf = ({ run }: Config) => (typeof run.seed === 'number' ? run.seed : undefined);

export interface CheckedData {
  task: BaseTask;
  /** Datasets by name, then by split. */
  datasets: Readonly<Record<string, Splits>>;
  /** The splits that the run evaluates. */
  evaluated: readonly string[];
  /** `run.max_bad_samples` */
  maxBadSamples?: number;
}

/**
 * Checks a run's data before its first step: every image exists, and the ground truth of its evaluations can be read
 * and covers their images.
 * @throws LavisError for the first fault that would end the run later
 */
export async function checkData({
  task,
  datasets,
  evaluated,
  maxBadSamples = 0,
}: CheckedData): Promise<void> {
  const all = Object.values(datasets).flatMap((splits) =>
    Object.values(splits).filter((set) => set !== undefined),
  );
  await checkSamples(all, maxBadSamples);
  for (const split of evaluated) {
    for (const splits of Object.values(datasets)) {
      const dataset = splits[split];
      if (dataset && !('iterable' in dataset)) await task.checkEvaluation(split, dataset as Dataset);
    }
  }
}
