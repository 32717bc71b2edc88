import { checkSamples, type Dataset, type Splits } from '../datasets/index.js';
import type { BaseTask } from './base_task.js';

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
 * Looks at everything that can be known of a run's data before its first step: that every image is there,
 * and that what its evaluations will be scored against can be read and knows their images.
 * @throws LavisError for the first thing that would end the run later
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
