import { registry } from '../common/registry.js';
import { type Batch, endless } from '../datasets/index.js';
import { BaseRunner } from './base_runner.js';
import { iterationsSchema } from './settings.js';

/**
 * Trains for `max_iters` iterations, whatever the datasets' lengths; every `iters_per_inner_epoch` of them
 * the schedule steps, and the model is evaluated. Source: lavis/runners/runner_iter.py.
 */
@registry.registerRunner('runner_iter')
export class RunnerIter extends BaseRunner {
  static override readonly configSchema = iterationsSchema;
  readonly unit = 'iters';

  get rounds(): number {
    return Math.ceil(this.settings.maxIters / this.#itersPerRound);
  }

  protected get scheduleLength(): number {
    return Math.max(1, Math.floor(this.settings.maxIters / this.#itersPerRound));
  }

  stepsOf(round: number): number {
    return this.numberAfter(round + 1) - this.numberAfter(round);
  }

  /** LAVIS numbers a checkpoint by the iterations that are done. */
  numberAfter(rounds: number): number {
    return Math.min(rounds * this.#itersPerRound, this.settings.maxIters);
  }

  /** '3_iters=5000': the data's epoch, and the iterations done. */
  protected labelAfter(rounds: number): string {
    const iters = this.numberAfter(rounds);
    const epoch = this.settings.evaluate ? 0 : Math.floor((iters - 1) / this.trainLoader.batchesPerEpoch);
    return `${Math.max(0, epoch)}_iters=${iters}`;
  }

  place(): string {
    return `inner epoch ${this.state.round}`;
  }

  /** Passes over the data follow each other without end. */
  protected batches(): AsyncIterable<Batch> {
    return endless(this.trainLoader, this.numberAfter(this.state.round) + this.state.step);
  }

  /** One pass over the data unless the configuration says otherwise. */
  get #itersPerRound(): number {
    return this.settings.itersPerInnerEpoch ?? this.trainLoader.batchesPerEpoch;
  }
}
