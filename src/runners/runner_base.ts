import { registry } from '../common/registry.js';
import type { Batch } from '../datasets/index.js';
import { BaseRunner } from './base_runner.js';

/** Trains for `max_epoch` epochs. Source: lavis/runners/runner_base.py. */
@registry.registerRunner('runner_base')
export class RunnerBase extends BaseRunner {
  readonly unit = 'epoch';

  get rounds(): number {
    return this.settings.maxEpoch;
  }

  protected get scheduleLength(): number {
    return this.settings.maxEpoch;
  }

  stepsOf(): number {
    return this.trainLoader.batchesPerEpoch;
  }

  /** LAVIS numbers a checkpoint by the last epoch that is done. */
  numberAfter(rounds: number): number {
    return rounds - 1;
  }

  protected labelAfter(rounds: number): number {
    return rounds - 1;
  }

  place(): string {
    return `epoch ${this.state.round}`;
  }

  protected batches(): AsyncIterable<Batch> {
    return this.trainLoader.epoch(this.state.round, { skipBatches: this.state.step });
  }
}
