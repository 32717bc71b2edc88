import { ConfigError } from '../common/errors.js';
import { registry } from '../common/registry.js';
import type { Config } from '../config/index.js';
import { type Batch, type Dataset, isNumericArray } from '../datasets/index.js';
import { tf } from '../engine/index.js';
import type { CaptionAnnotations } from '../metrics/index.js';
import type { Model, ModelOutput, Samples } from '../models/index.js';
import type { EvaluationResult } from './results.js';

/** Scores by name. `agg_metrics` chooses the best checkpoint. */
export type Metrics = { agg_metrics: number } & Record<string, number>;

/** The losses of one micro-batch: the one to minimise, and every one by its name in the log. */
export interface StepLosses {
  loss: tf.Scalar;
  named: Record<string, tf.Scalar>;
  /** Of how many terms the loss is the mean: what it counts beside other ranks' losses. */
  weight?: number;
}

/** Where an evaluation's results go, and what they are compared with. */
export interface EvaluationContext {
  split: string;
  /** The epoch as file names show it: 3, 'best', '0_iters=500'. */
  epoch: number | string;
  /** Folder of result files. */
  resultDir: string;
  /** Ground truth of the split, in COCO's form: a file, or the content. */
  groundTruth?: string | CaptionAnnotations;
  /** Adds a line to one of the run's logs. */
  writeLine(file: string, line: string): Promise<void>;
}

/** What a training step and an evaluation mean. Source: lavis/tasks/base_task.py. */
export abstract class BaseTask {
  /** The key of a result that says which sample it belongs to. */
  abstract readonly resultKey: string;

  /** The losses of a micro-batch; called while gradients are recorded. */
  trainStep(model: Model, samples: Samples): StepLosses {
    const output = model.forward(samples);
    const named = Object.entries(output).filter(
      (entry): entry is [string, tf.Scalar] => /^loss/.test(entry[0]) && entry[1] instanceof tf.Tensor,
    );
    return {
      loss: output.loss,
      named: Object.fromEntries(named.map(([name, value]) => [snakeCase(name), value])),
      weight: countedLabels(output),
    };
  }

  /** The results of one batch of an evaluation. */
  abstract validStep(model: Model, batch: Batch): Promise<EvaluationResult[]>;

  /** The results of a split, batch by batch. @param onBatch told the number of batches done */
  async evaluation(
    model: Model,
    batches: AsyncIterable<Batch>,
    onBatch: (done: number) => void | Promise<void> = () => {},
  ): Promise<EvaluationResult[]> {
    const results: EvaluationResult[] = [];
    let done = 0;
    for await (const batch of batches) {
      results.push(...(await this.validStep(model, batch)));
      await onBatch(++done);
    }
    return results;
  }

  /**
   * Looks at everything that evaluating a split will need, before a run's first step.
   * @throws DataError for what would fail once the captions are made
   */
  async checkEvaluation(_split: string, _dataset: Dataset): Promise<void> {}

  /** Writes and scores the merged results of a split; undefined where nothing is scored. */
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

/** A batch as a model takes it: its numeric arrays as tensors, which `disposeSamples` gives back. */
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

/** Labels that the loss is the mean over; -100 marks those it leaves out. */
function countedLabels({ intermediateOutput }: ModelOutput): number | undefined {
  const labels = intermediateOutput?.decoderLabels;
  if (!labels) return undefined;
  return (labels.dataSync() as Int32Array).reduce((count, label) => count + (label === -100 ? 0 : 1), 0);
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
