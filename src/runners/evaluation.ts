import { dirname } from 'node:path';
import { writeFileAtomic } from '../common/files.js';
import { timedProgress } from '../common/progress.js';
import type { BatchSource } from '../datasets/index.js';
import { type Communicator, onRankZero } from '../distributed/index.js';
import type { Model } from '../models/index.js';
import type { BaseTask, EvaluationContext, EvaluationResult, Metrics } from '../tasks/index.js';
import { shownFile, writeOrWarn } from './run_folder.js';

export interface SplitEvaluation extends EvaluationContext {
  task: BaseTask;
  model: Model;
  loader: BatchSource;
  comm: Communicator;
  /** Called after every batch, and between the parts of what comes behind them. */
  onBatch?(): Promise<void>;
}

/** Evaluates a split with all ranks, scores it on rank 0, and tells all ranks the scores. */
export async function evaluateSplit(options: SplitEvaluation): Promise<Metrics | undefined> {
  const { task, model, loader, comm, onBatch, ...context } = options;
  model.eval();
  try {
    const progress = timedProgress(`Evaluating on ${context.split}`, loader.batchesPerEpoch);
    const parts = new Map<string, (done: number) => void>();
    const results = await task.evaluation(model, {
      dataset: context.dataset,
      batches: loader.epoch(0),
      comm,
      onBatch: async (done) => {
        progress(done);
        await onBatch?.();
      },
      onPart: async (what, done, total) => {
        const part = parts.get(what) ?? timedProgress(`${context.split}: ${what}`, total, 'row');
        parts.set(what, part);
        part(done);
        await onBatch?.();
      },
    });
    return await onRankZero(comm, `scores ${context.split}`, () => score(task, results, context));
  } finally {
    await loader.close();
    model.train();
  }
}

/** Scores a split's results, and writes down what pages show of them. */
async function score(
  task: BaseTask,
  results: EvaluationResult[],
  context: EvaluationContext,
): Promise<Metrics | undefined> {
  const metrics = await task.afterEvaluation(results, context);
  const { split, epoch, resultDir } = context;
  const shown = await task.show(results, context);
  await writeOrWarn(shownFile(dirname(resultDir), `${split}_epoch${epoch}`), (path) =>
    writeFileAtomic(path, JSON.stringify(shown)),
  );
  return metrics;
}
