import { ConfigError } from '../common/errors.js';
import { registry } from '../common/registry.js';
import type { Config } from '../config/index.js';
import { type Batch, type Dataset, isNumericArray } from '../datasets/index.js';
import type { Communicator } from '../distributed/index.js';
import { tf } from '../engine/index.js';
import type { Exchanged, Model, Samples } from '../models/index.js';
import type { IdComparison } from './evaluation_ids.js';
import { type EvaluationResult, mergeResults, type ShownSamples } from './results.js';

/** Scores by name. `agg_metrics` chooses the best checkpoint. */
export type Metrics = { agg_metrics: number } & Record<string, number>;

/** The losses of one micro-batch: the one to minimise, and each by its name in the log. */
export interface StepLosses {
  loss: tf.Scalar;
  named: Record<string, tf.Scalar>;
  /** How many terms the loss averages: its weight when losses are combined across ranks. */
  weight?: number;
}

/** Where in its epoch a training step is: some losses grow with it. */
export interface StepPosition {
  epoch: number;
  /** Micro-steps of the epoch before this one. */
  step: number;
  stepsPerEpoch: number;
}

/** A split to evaluate, as one rank sees it. */
export interface EvaluatedSplit {
  dataset: Dataset;
  /** This rank's batches; those of all ranks hold every sample. */
  batches: AsyncIterable<Batch>;
  comm: Communicator;
  /** Told the number of batches done. */
  onBatch?(done: number): void | Promise<void>;
  /** Told how far work is that comes behind the batches. @param what it is, in words */
  onPart?(what: string, done: number, total: number): void | Promise<void>;
}

/** Where an evaluation's results go, and what they are compared with. */
export interface EvaluationContext {
  split: string;
  dataset: Dataset;
  /** The epoch as file names show it: 3, 'best', '0_iters=500'. */
  epoch: number | string;
  /** Folder of result files. */
  resultDir: string;
  /** Adds a line to one of the run's logs. */
  writeLine(file: string, line: string): Promise<void>;
}

/** What a training step and an evaluation mean. Source: lavis/tasks/base_task.py. */
export abstract class BaseTask {
  /** The key of a result that says which sample it belongs to. */
  abstract readonly resultKey: string;
  /** The score that reports and the live page show first; `agg_metrics` chooses the best checkpoint. */
  readonly primaryMetric: string = 'agg_metrics';
  /** Scores that are drawn as curves beside it. */
  readonly shownMetrics: readonly string[] = [];
  /** Scores that are better when they are lower, for `run.monitor`. */
  readonly lowerIsBetter: readonly string[] = [];
  /** Whether a split is evaluated at all; if not, every round has a checkpoint. */
  readonly evaluates: boolean = true;
  /** Whether ranks share the samples of an evaluation out; if not, each rank has the batches of all. */
  readonly sharesSamples: boolean = true;

  /** A batch as the model trains on it: on the device, and with its place in the epoch, as in the reference. */
  trainSamples(batch: Batch, { epoch, step, stepsPerEpoch }: StepPosition): Samples {
    return { ...toSamples(batch), epoch, iters: step, num_iters_per_epoch: stepsPerEpoch };
  }

  /**
   * The losses of a micro-batch; called while gradients are recorded.
   * @param exchanged what all ranks encoded, for a model that asks for it
   */
  trainStep(model: Model, samples: Samples, exchanged?: Exchanged): StepLosses {
    const output = model.forward(samples, exchanged);
    const named = Object.entries(output).filter(
      (entry): entry is [string, tf.Scalar] => /^loss/.test(entry[0]) && entry[1] instanceof tf.Tensor,
    );
    return {
      loss: output.loss,
      named: Object.fromEntries(named.map(([name, value]) => [snakeCase(name), value])),
      weight: output.weight,
    };
  }

  /**
   * The losses of a batch of an evaluation split in its training form; the model is in evaluation mode, and no
   * gradient is recorded. Soft targets count as they do once they have come in, so that all evaluations are alike.
   */
  validLoss(model: Model, batch: Batch): StepLosses {
    const samples = this.trainSamples(batch, { epoch: Number.MAX_SAFE_INTEGER, step: 0, stepsPerEpoch: 1 });
    try {
      return this.trainStep(model, samples);
    } finally {
      disposeSamples(samples);
    }
  }

  /** The results of one batch of an evaluation. @throws RangeError in a task that evaluates whole splits only */
  async validStep(_model: Model, _batch: Batch, _dataset: Dataset): Promise<EvaluationResult[]> {
    throw new RangeError(`${this.constructor.name} has no results of a single batch`);
  }

  /**
   * Evaluates a split on every rank, batch by batch, then gathers the results of all ranks, each sample once. A task
   * that compares samples with each other overrides this.
   */
  async evaluation(model: Model, split: EvaluatedSplit): Promise<EvaluationResult[]> {
    const { dataset, batches, comm, onBatch } = split;
    const results: EvaluationResult[] = [];
    let done = 0;
    for await (const batch of batches) {
      results.push(...(await this.validStep(model, batch, dataset)));
      await onBatch?.(++done);
    }
    return mergeResults(await comm.allGather(results, 'results'), this.resultKey);
  }

  /**
   * Checks everything that evaluating a split will need, before a run's first step.
   * @throws DataError for anything that would fail only after evaluation
   */
  async checkEvaluation(_split: string, _dataset: Dataset): Promise<void> {}

  /** The names of the scores of a split, for `run.monitor`; undefined if not known in advance. */
  async metricNames(_split: string, _dataset: Dataset): Promise<readonly string[] | undefined> {
    return undefined;
  }

  /**
   * Compares the ids of a split with those of its ground truth; undefined where no ids are compared.
   * @throws DataError for ground truth that cannot be used
   */
  async compareIds(_split: string, _dataset: Dataset): Promise<IdComparison | undefined> {
    return undefined;
  }

  /**
   * The results of an evaluation as people are shown them, on rank 0: in reports, on the live page, after a dry
   * run. Called after `afterEvaluation`, if that was called at all.
   */
  async show(
    results: EvaluationResult[],
    _context: Pick<EvaluationContext, 'split' | 'dataset'>,
  ): Promise<ShownSamples> {
    const samples = results.map(({ [this.resultKey]: id, ...said }) => ({
      id: id as number | string,
      files: [],
      said: JSON.stringify(said),
      references: [],
    }));
    return { samples };
  }

  /** Writes and scores the results of a split, on rank 0; undefined where nothing is scored. */
  abstract afterEvaluation(
    results: EvaluationResult[],
    context: EvaluationContext,
  ): Promise<Metrics | undefined>;
}

/** A registered task: made from a run's configuration. */
export interface TaskClass {
  setupTask(config: Config): BaseTask;
}

declare module '../common/registry.js' {
  interface RegistryKinds {
    task: TaskClass;
  }
}

/** The task that `run.task` names. @throws ConfigError when it is missing or unknown. */
export function setupTask(config: Config): BaseTask {
  const { task } = config.run;
  if (typeof task !== 'string') {
    throw new ConfigError('run.task is missing', { allowed: registry.listTasks().join(', ') });
  }
  return registry.getTaskClass(task).setupTask(config);
}

/** A batch as a model takes it, with its numeric arrays as tensors; free them with `disposeSamples`. */
export function toSamples(batch: Batch): Samples {
  const onDevice = ([key, value]: [string, unknown]) => {
    if (!isNumericArray(value)) return [key, value];
    const { data, shape } = value;
    return [key, tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32')];
  };
  return Object.fromEntries(Object.entries(batch).map(onDevice));
}

export function disposeSamples(samples: Samples): void {
  tf.dispose(Object.values(samples).filter((value) => value instanceof tf.Tensor));
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
