import { TrainingError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { type BadSamples, type Batch, type BatchSource, batchSize, idsOf } from '../datasets/index.js';
import { AdamW, type GradScaler, type LrScheduler } from '../optim/index.js';
import type { Run } from './hooks.js';
import { StopSignal } from './signals.js';
import { type StepReport, TrainStep, type UpdateReport } from './train_step.js';

/** The step that something is told of, perhaps after the next has begun. */
export interface StepPlace {
  /** Epoch and step, for people. */
  at: string;
  batch: Batch;
  lr: number;
}

/** Tells of a loss or gradient that is no number. @throws TrainingError unless `run.on_nan` is 'skip'. */
export function handleBadStep(run: Run, report: UpdateReport & Partial<StepReport>, place: StepPlace): void {
  const { batch, lr } = place;
  const value = report.bad === 'loss' ? report.losses?.loss : report.gradNorm;
  const where = `${place.at}, learning rate ${lr}`;
  const ids = idsOf(batch).join(', ');
  if (run.settings.onNan === 'skip') {
    run.state.skipped++;
    log.warn(`the ${report.bad} is ${value} (${where}; ids ${ids}): the batch is left out`);
    return;
  }
  throw new TrainingError(`the ${report.bad} is ${value}`, {
    where,
    found: `a batch of ${batchSize(batch)}${ids && `, ids ${ids}`}`,
    allowed: 'a finite number',
    help: [
      'a lower run.init_lr, a longer run.warmup_steps or run.clip_grad_norm=1; run.on_nan=skip leaves it out',
      run.lastCheckpoint
        ? `the newest good checkpoint is ${run.lastCheckpoint}`
        : 'no checkpoint was written yet',
    ].join('\n'),
  });
}

export interface TrainingParts {
  /** All training data. */
  loader: BatchSource;
  badSamples: BadSamples;
  /** With `run.amp`. */
  scaler?: GradScaler;
}

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

  static of(run: Run, { loader, badSamples, scaler }: TrainingParts): Training {
    const { settings, task, model, comm } = run;
    const { weightDecay, initLr: lr, beta2 } = settings;
    const optimizer = new AdamW(model.getOptimizerParams(weightDecay), { lr, beta2 });
    const stop = new StopSignal();
    const step = new TrainStep({
      ...settings,
      ...{ task, model, optimizer, scaler, float16: scaler?.enabled, comm, badSamples },
      stop: () => stop.received,
    });
    return new Training(loader, optimizer, step, stop);
  }

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
