import type { BatchSource } from '../datasets/index.js';
import type { Communicator } from '../distributed/index.js';
import type { Model } from '../models/index.js';
import type { BaseTask, EvaluationContext, Metrics } from '../tasks/index.js';
import { timedProgress } from './progress.js';

export interface SplitEvaluation extends EvaluationContext {
  task: BaseTask;
  model: Model;
  loader: BatchSource;
  comm: Communicator;
  /** Called after every batch. */
  onBatch?(): Promise<void>;
}

/** Evaluates a split with all ranks, scores it on rank 0, and tells all ranks the scores. */
export async function evaluateSplit(options: SplitEvaluation): Promise<Metrics | undefined> {
  const { task, model, loader, comm, onBatch, ...context } = options;
  model.eval();
  try {
    const progress = timedProgress(`Evaluating on ${context.split}`, loader.batchesPerEpoch);
    const results = await task.evaluation(model, {
      dataset: context.dataset,
      batches: loader.epoch(0),
      comm,
      onBatch: async (done) => {
        progress(done);
        await onBatch?.();
      },
    });
    const scored = comm.rank === 0 ? await task.afterEvaluation(results, context) : undefined;
    return (await comm.allGather(scored ?? null, `scores of ${context.split}`))[0] ?? undefined;
  } finally {
    await loader.close();
    model.train();
  }
}
