import type { BatchSource } from '../datasets/index.js';
import type { AdamW, LrScheduler } from '../optim/index.js';
import type { StepPlace } from './bad_step.js';
import type { StopSignal } from './signals.js';
import type { TrainStep, UpdateReport } from './train_step.js';

/** What lives as long as `train` runs. */
export class Training {
  schedule?: LrScheduler;
  /** The last update, while nobody knows what it came to. */
  pending?: { later: Promise<UpdateReport>; place: StepPlace };

  constructor(
    readonly loader: BatchSource,
    readonly optimizer: AdamW,
    readonly step: TrainStep,
    readonly stop: StopSignal,
  ) {}

  /** What the last update came to, once it is known; undefined where nothing is pending. */
  async takePending(): Promise<{ report: UpdateReport; place: StepPlace } | undefined> {
    const { pending } = this;
    this.pending = undefined;
    return pending && { report: await pending.later, place: pending.place };
  }

  async close(): Promise<void> {
    this.stop.release();
    this.step.reset();
    this.optimizer.dispose();
    await this.loader.close();
  }
}
