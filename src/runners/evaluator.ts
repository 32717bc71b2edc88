import type { BadSamples } from '../datasets/index.js';
import type { Communicator } from '../distributed/index.js';
import type { Model } from '../models/index.js';
import type { BaseTask, Metrics } from '../tasks/index.js';
import { evaluateSplit } from './evaluation.js';
import { type Scores, wantsLoss } from './monitor.js';
import type { RunFolder } from './run_folder.js';
import type { RunSettings } from './settings.js';
import { splitLosses } from './split_losses.js';
import type { RunSplits } from './splits.js';

export interface EvaluatorParts {
  settings: RunSettings;
  task: BaseTask;
  model: Model;
  comm: Communicator;
  splits: RunSplits;
  badSamples: BadSamples;
  folder: RunFolder;
  /** Adds a line to one of the run's logs. */
  writeLine(file: string, line: string): Promise<void>;
  /** Between two batches. @param rng of the model, as training left it */
  onBatch(rng: readonly number[]): Promise<void>;
}

/** Evaluates the splits of a run. Training goes on as if it had not: sampled texts draw from the model's generator. */
export class Evaluator {
  constructor(private readonly parts: EvaluatorParts) {}

  /** A valid split's scores and losses, as far as the task and the configuration have them. */
  async validate(split: string, label: number | string): Promise<Scores | undefined> {
    const { task, settings } = this.parts;
    const metrics = task.evaluates ? await this.evaluate(split, label) : undefined;
    return wantsLoss(settings) ? { ...metrics, ...(await this.#losses(split)) } : metrics;
  }

  /** A split's scores; undefined where nothing is scored. @param label the epoch in the names of result files */
  evaluate(split: string, label: number | string): Promise<Metrics | undefined> {
    const { task, model, comm, splits, badSamples, folder, writeLine } = this.parts;
    return this.#apart((onBatch) =>
      evaluateSplit({
        ...{ split, epoch: label, task, model, comm, writeLine, onBatch },
        resultDir: folder.resultDir,
        dataset: splits.evaluated(split),
        loader: splits.evalLoader(split, badSamples, task.sharesSamples),
      }),
    );
  }

  #losses(split: string): Promise<Scores> {
    const { settings, task, model, comm, splits, badSamples } = this.parts;
    return this.#apart((onBatch) =>
      splitLosses({
        ...{ split, task, model, comm, onBatch },
        dataset: splits.trainingForm(split),
        batchSize: settings.batchSizeTrain,
        loading: splits.loading(badSamples),
      }),
    );
  }

  /** Gives the generator back as it was, and tells all ranks what could not be read. */
  async #apart<T>(work: (onBatch: () => Promise<void>) => Promise<T>): Promise<T> {
    const { model, comm, badSamples, onBatch } = this.parts;
    const rng = model.rngState();
    const result = await work(() => onBatch(rng));
    model.restoreRngState(rng);
    const unread = await comm.allGather(badSamples.untold(), 'samples that cannot be read');
    badSamples.learn(unread.flat());
    return result;
  }
}
