import { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import { registry } from '../common/registry.js';
import { key, types } from '../config/index.js';

/** Keys of `run` that the learning-rate schedules read. */
export const scheduleSchema = z.strictObject({
  init_lr: key(types.size, undefined, 'The learning rate after warm-up.'),
  min_lr: key(types.size, 0, 'The learning rate that decay ends at.'),
  warmup_lr: key(types.number, -1, 'Where warm-up starts; below 0: at `init_lr`.'),
  warmup_steps: key(types.count, 0, 'Steps of the first epoch over which the rate rises.'),
});

/** And those of `linear_warmup_step_lr`. */
export const stepScheduleSchema = scheduleSchema.extend({
  lr_decay_rate: key(types.positive, undefined, 'Factor an epoch, of `linear_warmup_step_lr`.'),
});

/** What a schedule is made from; rates per step, epochs and steps counted from 0. */
export interface LrScheduleOptions {
  /** The rate after warm-up. */
  initLr: number;
  /** The rate that decay ends at. */
  minLr: number;
  maxEpoch: number;
  /** Micro-steps of epoch 0 over which the rate rises to `initLr`. */
  warmupSteps?: number;
  /** Where warm-up starts; negative or absent: at `initLr`. */
  warmupStartLr?: number;
  /** Factor per epoch (`linear_warmup_step_lr`). */
  decayRate?: number;
}

/** A learning rate for every step of a run; has no state, so a resumed run needs none restored. */
export interface LrScheduler {
  /** @param step micro-steps since the start of the epoch; accumulation does not change the count. */
  lrAt(epoch: number, step: number): number;
}

export type LrSchedulerClass = new (options: LrScheduleOptions) => LrScheduler;

declare module '../common/registry.js' {
  interface RegistryKinds {
    lrScheduler: LrSchedulerClass;
  }
}

/** Warm-up within epoch 0, then one rate for each epoch. Source: lavis/common/optims.py. */
abstract class WarmupScheduler implements LrScheduler {
  static readonly configSchema: z.ZodObject = scheduleSchema;
  protected readonly options: Required<LrScheduleOptions>;

  constructor(options: LrScheduleOptions) {
    const { initLr, warmupStartLr = -1 } = options;
    this.options = {
      ...options,
      warmupSteps: options.warmupSteps ?? 0,
      warmupStartLr: warmupStartLr >= 0 ? warmupStartLr : initLr,
      decayRate: options.decayRate ?? 1,
    };
    for (const [name, value] of Object.entries(this.options)) {
      if (!Number.isFinite(value)) {
        throw new ConfigError('a learning-rate schedule needs finite numbers', {
          where: name,
          found: String(value),
        });
      }
    }
  }

  lrAt(epoch: number, step: number): number {
    return epoch === 0 ? this.warmup(step) : this.decayed(epoch);
  }

  /** The rate of a whole epoch after the first. */
  protected abstract decayed(epoch: number): number;

  private warmup(step: number): number {
    const { initLr, warmupStartLr, warmupSteps } = this.options;
    return Math.min(initLr, warmupStartLr + ((initLr - warmupStartLr) * step) / Math.max(warmupSteps, 1));
  }
}

@registry.registerLrScheduler('linear_warmup_cosine_lr')
export class LinearWarmupCosineLr extends WarmupScheduler {
  protected decayed(epoch: number): number {
    const { initLr, minLr, maxEpoch } = this.options;
    return (initLr - minLr) * 0.5 * (1 + Math.cos((Math.PI * epoch) / maxEpoch)) + minLr;
  }
}

@registry.registerLrScheduler('linear_warmup_step_lr')
export class LinearWarmupStepLr extends WarmupScheduler {
  static override readonly configSchema = stepScheduleSchema;

  protected decayed(epoch: number): number {
    const { initLr, minLr, decayRate } = this.options;
    return Math.max(minLr, initLr * decayRate ** epoch);
  }
}

@registry.registerLrScheduler('constant_lr')
export class ConstantLr extends WarmupScheduler {
  protected decayed(): number {
    return this.options.initLr;
  }
}
