import { TrainingError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { type Batch, batchSize, idsOf } from '../datasets/index.js';
import type { Run } from './hooks.js';
import type { StepReport, UpdateReport } from './train_step.js';

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
