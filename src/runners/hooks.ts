import { z } from 'zod';
import { messageOf } from '../common/errors.js';
import { log } from '../common/logging.js';
import { registry } from '../common/registry.js';
import {
  type Config,
  type HasOptions,
  type HasSchema,
  hooksOf,
  type PlainObject,
  readSection,
} from '../config/index.js';
import type { Communicator } from '../distributed/index.js';
import type { Model } from '../models/index.js';
import type { BaseTask } from '../tasks/index.js';
import type { MetricsLine } from './metrics_log.js';
import type { Scores } from './monitor.js';
import type { RunFolder } from './run_folder.js';
import type { RunSettings } from './settings.js';
import type { RunState } from './state.js';
import type { StepReport } from './train_step.js';

/** One micro-step, as hooks see it. */
export interface StepEvent extends StepReport {
  lr: number;
  /** Images of all ranks. */
  images: number;
  /** Seconds in which training waited for data. */
  dataSeconds: number;
  seconds: number;
}

/** A run as its hooks see it. */
export interface Run {
  readonly config: Config;
  readonly settings: RunSettings;
  readonly task: BaseTask;
  readonly model: Model;
  /** What runs the tensors, in words. */
  readonly engine?: string;
  readonly folder: RunFolder;
  readonly comm: Communicator;
  /** Where the run stands; changed by the runner alone. */
  readonly state: RunState;
  /** The newest checkpoint that this process wrote or read. */
  readonly lastCheckpoint?: string;
  /** How many rounds the run has at most. */
  readonly rounds: number;
  /** Whether no further round comes: all are done, or `run.patience` is over. */
  readonly isOver: boolean;
  /** The name of the key in checkpoints and logs that says how far the run is. */
  readonly unit: 'epoch' | 'iters';
  /** Micro-steps of a round. */
  stepsOf(round: number): number;
  /** The value of `unit`, and the number in a checkpoint's name, after so many rounds. */
  numberAfter(rounds: number): number;
  /** The current round, for people. */
  place(): string;
  /** Writes checkpoint_<name>.pth; to be called between steps. @returns its path */
  save(name: string): Promise<string>;
  /** Ends a training that has not begun where a signal came to any rank; all have to ask. @throws RunInterrupted */
  stopIfAsked(): Promise<void>;
}

type Done = void | Promise<void>;

/**
 * Stages of a run, each told to every hook in turn. `run.save(name)` writes a checkpoint at any of them;
 * at `afterRound` it holds the round's log lines and scores.
 */
export interface RunHook {
  /** The weights to begin or to go on with are there, and those of each evaluation that is not of the training. */
  weightsLoaded?(run: Run): Done;
  beforeTraining?(run: Run): Done;
  /** After every micro-step. */
  afterStep?(run: Run, step: StepEvent): Done;
  /** The round's steps are done, its evaluations come next. @param averages over the round, by name */
  afterSteps?(run: Run, averages: Record<string, number>): Done;
  /**
   * A split is scored, of the test ones too.
   * @param metrics its scores, and its loss where that was asked for
   * @param label the epoch in its result file's name
   * @param best whether the score makes the weights the best so far
   */
  afterEvaluation?(run: Run, split: string, metrics: Scores, label: number | string, best: boolean): Done;
  /** An epoch (`runner_iter`: an inner epoch) and its evaluations are done. @param best so far */
  afterRound?(run: Run, best: boolean): Done;
  /** The run wrote a line of metrics.jsonl; on rank 0 alone. Those that a resumed run keeps are in the file. */
  afterMetrics?(run: Run, line: MetricsLine): Done;
  /** All rounds are done; the test splits come next. */
  afterTraining?(run: Run): Done;
  /** The test splits are done too. */
  afterRun?(run: Run): Done;
  /** The run ends here, by an error or, as RunInterrupted, by a signal: the other ranks may be gone. */
  afterFailure?(run: Run, error: unknown): Done;
}

/** The hooks of a run, told of each stage in turn. */
export class Hooks {
  constructor(
    private readonly run: Run,
    private readonly hooks: readonly RunHook[],
  ) {}

  async tell(stage: (hook: RunHook) => Done | undefined): Promise<void> {
    for (const hook of this.hooks) await stage(hook);
  }

  /** Does work; whatever ends it is told to the hooks, none of which may hide it. */
  async tellingOfFailure<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      for (const hook of this.hooks) {
        try {
          await hook.afterFailure?.(this.run, thrown);
        } catch (another) {
          log.warn(`a hook failed when the run did: ${messageOf(another)}`);
        }
      }
      throw thrown;
    }
  }
}

/**
 * What `run.hooks` names. Options that stand beside its name there, those of `optionsSchema`, are what it is made with;
 * its `configSchema`, where it has one, are keys of `run` that it reads (`run.config.read`).
 */
export interface HookClass extends HasSchema, HasOptions {
  new (options: never): RunHook;
  /** False for one that tells others of the run: a dry run is none. */
  readonly inDryRun?: boolean;
}

/** Those of `run.hooks` that a dry run has too. */
export const hooksOfDryRun = <T>(named: readonly T[]): T[] =>
  named.filter((entry) =>
    hooksOf([entry]).every(({ name }) => registry.getHookClass(name).inDryRun !== false),
  );

/** The hooks that `run.hooks` names, in its order. @throws ConfigError */
export function makeHooks(named: readonly unknown[]): RunHook[] {
  return hooksOf(named).map(({ name, options, path }) => {
    const Hook = registry.getHookClass(name) as HookClass & (new (options: PlainObject) => RunHook);
    // Unknown ones were refused, or let pass, when the configuration was checked.
    const known = readSection(`run.hooks.${path.join('.')}`, Hook.optionsSchema ?? z.object({}), options, {
      unknown: 'ignore',
    });
    return new Hook(known as PlainObject);
  });
}

declare module '../common/registry.js' {
  interface RegistryKinds {
    hook: HookClass;
  }
}
