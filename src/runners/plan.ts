import { ConfigError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { registry } from '../common/registry.js';
import type { LrScheduler } from '../optim/index.js';
import type { RunSettings } from './settings.js';

/** The learning-rate schedule of a run. @param length rounds it is spread over */
export function makeSchedule(settings: RunSettings, length: number): LrScheduler {
  const Scheduler = registry.getLrSchedulerClass(settings.lrSched);
  if (settings.lrSched === 'linear_warmup_step_lr' && settings.lrDecayRate === undefined) {
    throw new ConfigError('run.lr_decay_rate is missing', {
      allowed: 'a factor per epoch, as 0.9',
      help: 'run.lr_sched=linear_warmup_step_lr needs it',
    });
  }
  return new Scheduler({
    initLr: settings.initLr,
    minLr: settings.minLr,
    maxEpoch: length,
    warmupSteps: settings.warmupSteps,
    warmupStartLr: settings.warmupLr,
    decayRate: settings.lrDecayRate,
  });
}

type Evaluating = Pick<RunSettings, 'valFreq' | 'validSplits'>;
type Saving = Pick<RunSettings, 'validSplits' | 'saveFreq' | 'saveLast'>;

/** Whether a round is followed by an evaluation of the valid splits. @param round from 0 */
export function isValidationDue({ valFreq }: Evaluating, round: number, rounds: number): boolean {
  return round % valFreq === 0 || round === rounds - 1;
}

/** Whether a round has a checkpoint of its own. @param round from 0 */
export function isCheckpointDue(
  { validSplits, saveFreq, saveLast }: Saving,
  round: number,
  rounds: number,
): boolean {
  const regular = validSplits.length === 0 || (saveFreq > 0 && round % saveFreq === 0);
  return regular || (saveLast && round === rounds - 1);
}

/** @throws ConfigError when no update would ever be made. */
export function checkAccumulation({ accumGradIters }: RunSettings, steps: number): void {
  if (accumGradIters > steps) {
    throw new ConfigError('run.accum_grad_iters is larger than the epoch: no update would be made', {
      found: `${accumGradIters} micro-batches an update, ${steps} micro-batches an epoch`,
      allowed: `at most ${steps}`,
      help: '--options run.accum_grad_iters=1, or a smaller run.batch_size_train',
    });
  }
}

/** Warns of settings that do less than they seem to. @param steps micro-steps of the first round */
export function warnOfPlan({ accumGradIters, warmupSteps, warmupLr }: RunSettings, steps: number): void {
  const rest = steps % accumGradIters;
  if (rest > 0) {
    log.warn(`the last ${rest} of ${steps} micro-batches of an epoch make no whole update and are dropped`);
  }
  if (warmupSteps > steps && warmupLr >= 0) {
    log.warn(
      `run.warmup_steps is ${warmupSteps}, but the first epoch has ${steps} steps: ` +
        'warm-up ends with it, below run.init_lr',
    );
  }
}
