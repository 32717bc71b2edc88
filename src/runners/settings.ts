import type { Config } from '../common/config.js';
import { describeOrigin } from '../common/config.js';
import { ConfigError } from '../common/errors.js';

/** The `run` section with its defaults, checked. Names are those of the YAML in camel case. */
export interface RunSettings {
  task: string;
  runner: string;
  lrSched: string;
  initLr: number;
  minLr: number;
  warmupLr: number;
  warmupSteps: number;
  lrDecayRate?: number;
  weightDecay: number;
  beta2: number;
  maxEpoch: number;
  maxIters: number;
  itersPerInnerEpoch?: number;
  batchSizeTrain: number;
  batchSizeEval: number;
  numWorkers: number;
  accumGradIters: number;
  clipGradNorm?: number;
  onNan: 'stop' | 'skip';
  logFreq: number;
  /** Epochs between checkpoints. */
  saveFreq: number;
  saveLast: boolean;
  /** Micro-steps between saves of checkpoint_latest.pth. */
  saveEveryIters?: number;
  /** How many checkpoints to keep besides the best and the latest; all unless given. */
  keepLast?: number;
  valFreq: number;
  /** How many samples that cannot be read are skipped. */
  maxBadSamples: number;
  seed: number;
  outputDir: string;
  resumeCkptPath?: string;
  evaluate: boolean;
  trainSplits: string[];
  validSplits: string[];
  testSplits: string[];
}

/** @throws ConfigError naming the key, where it was written, and what it may be. */
export function runSettings(config: Config): RunSettings {
  const read = new Reader(config);
  return {
    task: read.text('task'),
    runner: read.text('runner', 'runner_base'),
    lrSched: read.text('lr_sched', 'constant_lr'),
    initLr: read.number('init_lr', { min: 0 }),
    minLr: read.number('min_lr', { min: 0, otherwise: 0 }),
    warmupLr: read.number('warmup_lr', { otherwise: -1 }),
    warmupSteps: read.integer('warmup_steps', { min: 0, otherwise: 0 }),
    lrDecayRate: read.optional('lr_decay_rate', (key) => read.number(key, { min: 0 })),
    weightDecay: read.number('weight_decay', { min: 0, otherwise: 0.05 }),
    beta2: read.number('beta2', { min: 0, otherwise: 0.999 }),
    maxEpoch: read.integer('max_epoch', { min: 1, otherwise: 1 }),
    maxIters: read.integer('max_iters', { min: 1, otherwise: 1 }),
    itersPerInnerEpoch: read.optional('iters_per_inner_epoch', (key) => read.integer(key, { min: 1 })),
    batchSizeTrain: read.integer('batch_size_train', { min: 1, otherwise: 1 }),
    batchSizeEval: read.integer('batch_size_eval', { min: 1, otherwise: 1 }),
    numWorkers: read.integer('num_workers', { min: 0, otherwise: 0 }),
    accumGradIters: read.integer('accum_grad_iters', { min: 1, otherwise: 1 }),
    clipGradNorm: read.optional('clip_grad_norm', (key) => read.number(key, { min: 0 })),
    onNan: read.choice('on_nan', ['stop', 'skip'] as const, 'stop'),
    logFreq: read.integer('log_freq', { min: 1, otherwise: 50 }),
    saveFreq: read.integer('save_freq', { min: 0, otherwise: 5 }),
    saveLast: read.flag('save_last', true),
    saveEveryIters: read.optional('save_every_iters', (key) => read.integer(key, { min: 1 })),
    keepLast: read.optional('keep_last', (key) => read.integer(key, { min: 1 })),
    maxBadSamples: read.integer('max_bad_samples', { min: 0, otherwise: 0 }),
    valFreq: read.integer('val_freq', { min: 1, otherwise: 1 }),
    seed: read.integer('seed', { otherwise: 42 }),
    outputDir: read.text('output_dir', 'output'),
    resumeCkptPath: read.optional('resume_ckpt_path', (key) => read.text(key)),
    evaluate: read.flag('evaluate', false),
    trainSplits: read.names('train_splits', ['train']),
    validSplits: read.names('valid_splits', []),
    testSplits: read.names('test_splits', []),
  };
}

interface NumberRule {
  min?: number;
  otherwise?: number;
}

class Reader {
  readonly #run: Record<string, unknown>;

  constructor(private readonly config: Config) {
    this.#run = config.run;
  }

  optional<T>(key: string, read: (key: string) => T): T | undefined {
    return this.#has(key) ? read(key) : undefined;
  }

  number(key: string, { min = -Infinity, otherwise }: NumberRule = {}): number {
    const value = this.#has(key) ? this.#run[key] : otherwise;
    if (typeof value === 'number' && Number.isFinite(value) && value >= min) return value;
    return this.#refuse(key, min > -Infinity ? `a number, at least ${min}` : 'a number');
  }

  integer(key: string, rule: NumberRule = {}): number {
    const value = this.number(key, rule);
    const least = rule.min === undefined ? '' : `, at least ${rule.min}`;
    return Number.isInteger(value) ? value : this.#refuse(key, `a whole number${least}`);
  }

  text(key: string, otherwise?: string): string {
    const value = this.#has(key) ? this.#run[key] : otherwise;
    return typeof value === 'string' && value ? value : this.#refuse(key, 'a text');
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.#has(key) ? this.#run[key] : otherwise;
    return typeof value === 'boolean' ? value : this.#refuse(key, 'True or False');
  }

  choice<T extends string>(key: string, choices: readonly T[], otherwise: T): T {
    const value = this.#has(key) ? this.#run[key] : otherwise;
    return choices.find((choice) => choice === value) ?? this.#refuse(key, choices.join(' or '));
  }

  names(key: string, otherwise: string[]): string[] {
    const value = this.#has(key) ? this.#run[key] : otherwise;
    if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
    return this.#refuse(key, "a list of splits, as ['val']");
  }

  #has(key: string): boolean {
    return this.#run[key] !== undefined && this.#run[key] !== null;
  }

  #refuse(key: string, allowed: string): never {
    const origin = this.config.originOf(`run.${key}`);
    throw new ConfigError(`run.${key} ${this.#has(key) ? 'has the wrong value' : 'is missing'}`, {
      where: origin && describeOrigin(origin),
      found: this.#has(key) ? JSON.stringify(this.#run[key]) : undefined,
      allowed,
    });
  }
}
