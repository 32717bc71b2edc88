import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { z } from 'zod';
import { ConfigError, RunInterrupted, TrainingError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { counted } from '../common/words.js';
import type { Config } from '../config/index.js';
import { BadSamples, type Batch, type BatchSource, batchSize } from '../datasets/index.js';
import {
  broadcastVariables,
  type Communicator,
  onRankZero,
  SingleCommunicator,
} from '../distributed/index.js';
import { hasFloat16 } from '../engine/index.js';
import { type Model, quantizeModel } from '../models/index.js';
import { GradScaler } from '../optim/index.js';
import type { BaseTask, Metrics } from '../tasks/index.js';
import { CheckpointHook } from './checkpoint_hook.js';
import { writeCheckpoint } from './checkpoints.js';
import { Evaluator } from './evaluator.js';
import { Hooks, type Run, type RunHook } from './hooks.js';
import { Journal } from './journal.js';
import { loggersAndHooks } from './loggers/index.js';
import { MetricsHook } from './metrics_hook.js';
import { Monitor, Standing } from './monitor.js';
import { checkPatience, isPatienceOver } from './patience.js';
import { checkAccumulation, isValidationDue, makeSchedule, warnOfPlan } from './plan.js';
import { isLogged } from './progress.js';
import { ProgressHook } from './progress_hook.js';
import { loadTogether, resumeRun } from './restore.js';
import { RunFolder } from './run_folder.js';
import { RunRecordHook } from './run_record_hook.js';
import { decisiveSplit, type RunSettings, trainingSchema } from './settings.js';
import { type DatasetsBySplit, RunSplits } from './splits.js';
import type { RunState } from './state.js';
import type { StepReport, UpdateReport } from './train_step.js';
import { handleBadStep, type StepPlace, Training } from './training.js';

export interface RunnerOptions {
  config: Config;
  /** What its `run` section says, read. */
  settings: RunSettings;
  task: BaseTask;
  model: Model;
  datasets: DatasetsBySplit;
  /** What runs the tensors, in words: for the run's record. */
  engine?: string;
  /** The run's folder, its own alone. */
  folder: string;
  /** The other workers; a world of one by default. */
  comm?: Communicator;
  /** Told of every stage after the runner's own hooks and those of `run.hooks`. */
  hooks?: RunHook[];
}

/** What the registry holds. */
export type RunnerClass = new (options: RunnerOptions) => BaseRunner;

declare module '../common/registry.js' {
  interface RegistryKinds {
    runner: RunnerClass;
  }
}

/**
 * When things happen: rounds of training, evaluation, checkpoints, logs. A round is an epoch, or
 * `iters_per_inner_epoch` iterations; subclasses say which.
 */
export abstract class BaseRunner implements Run {
  static readonly configSchema: z.ZodObject = trainingSchema;
  readonly config: Config;
  readonly settings: RunSettings;
  readonly task: BaseTask;
  readonly model: Model;
  readonly engine?: string;
  readonly folder: RunFolder;
  readonly comm: Communicator;
  lastCheckpoint?: string;

  readonly #splits: RunSplits;
  readonly #badSamples: BadSamples;
  readonly #hooks: Hooks;
  readonly #journal: Journal;
  readonly #monitor: Monitor;
  readonly #evaluator: Evaluator;
  /** Where the engine has no float16, its state is carried on for machines that do. */
  readonly #scaler?: GradScaler;
  #training?: Training;

  constructor(options: RunnerOptions) {
    this.config = options.config;
    this.task = options.task;
    this.#hooks = new Hooks(this, [
      new ProgressHook(),
      new RunRecordHook(),
      // Before the checkpoint: a resumed run finds the lines up to it.
      new MetricsHook((line) => this.#hooks.tell((hook) => hook.afterMetrics?.(this, line))),
      new CheckpointHook(),
      ...loggersAndHooks(options.settings.hooks),
      ...(options.hooks ?? []),
    ]);
    this.model = options.model;
    this.engine = options.engine;
    this.comm = options.comm ?? new SingleCommunicator();
    this.settings = options.settings;
    if (this.settings.amp) this.#scaler = new GradScaler({ enabled: hasFloat16() });
    this.#splits = new RunSplits(options.datasets, this.settings, this.comm, options.config.plugins);
    this.folder = new RunFolder(options.folder, this.comm.rank === 0);
    this.#journal = new Journal(this.settings.seed, this.folder, this.comm);
    this.#monitor = new Monitor(this.settings.monitor, this.task);
    this.state.monitor = this.#monitor.name;
    this.#badSamples = new BadSamples({
      limit: this.settings.maxBadSamples,
      file: join(this.folder.path, 'bad_samples.jsonl'),
    });
    this.#evaluator = new Evaluator({
      ...{ settings: this.settings, task: this.task, model: this.model, comm: this.comm },
      ...{ splits: this.#splits, badSamples: this.#badSamples, folder: this.folder },
      writeLine: (file, line) => this.#journal.line(file, line),
      onBatch: async (rng) => {
        if (this.#training && this.comm.worldSize === 1) await this.#stopIfAsked(rng);
      },
    });
  }

  get state(): RunState {
    return this.#journal.state;
  }

  get isOver(): boolean {
    return this.state.round >= this.rounds || isPatienceOver(this.settings, this.state.waited);
  }

  abstract readonly unit: 'epoch' | 'iters';
  abstract get rounds(): number;
  abstract stepsOf(round: number): number;
  abstract numberAfter(rounds: number): number;
  abstract place(): string;
  /** Rounds that the learning-rate schedule is spread over. */
  protected abstract get scheduleLength(): number;
  /** The epoch in the name of a result file, after so many rounds. */
  protected abstract labelAfter(rounds: number): string | number;
  /** The batches of the current round from the current step on; may go on past its end. */
  protected abstract batches(): AsyncIterable<Batch>;

  /** Trains, then evaluates `test_splits` with the best weights. @returns the test scores by split. */
  train(): Promise<Record<string, Metrics>> {
    return this.settings.evaluate ? this.evaluate() : this.#hooks.tellingOfFailure(() => this.#train());
  }

  async #train(): Promise<Record<string, Metrics>> {
    const { settings, model } = this;
    let label: string | number = 'best';
    const badSamples = this.#badSamples;
    const parts = { loader: this.#splits.trainLoader(badSamples), badSamples, scaler: this.#scaler };
    const training = (this.#training = Training.of(this, parts));
    try {
      model.seed(settings.seed + this.comm.rank);
      training.schedule = makeSchedule(settings, this.scheduleLength);
      checkAccumulation(settings, this.stepsOf(0));
      checkPatience(settings);
      model.checkPlan?.({ batch: settings.batchSizeTrain * this.comm.worldSize });
      await this.#takeFingerprint();
      if (settings.resumeCkptPath) {
        const resumed = { run: this, journal: this.#journal, training, scaler: this.#scaler };
        this.lastCheckpoint = await resumeRun(resumed, settings.resumeCkptPath);
      }
      await broadcastVariables(this.comm, model.stateDict()); // frozen parameters, queues and all
      if (this.comm.rank === 0) warnOfPlan(settings, this.stepsOf(0));
      await this.#hooks.tell((hook) => hook.weightsLoaded?.(this));
      if (!settings.resumeCkptPath) await this.#journal.logConfig(this.config); // from here on the run has begun
      await this.#hooks.tell((hook) => hook.beforeTraining?.(this));
      while (!this.isOver) await this.#runRound();
      if (this.state.round < this.rounds) this.#tellOfPatience();
      await this.#hooks.tell((hook) => hook.afterTraining?.(this));
      if (settings.validSplits.length === 0) label = this.labelAfter(this.state.round);
    } finally {
      log.status('');
      await training.close();
      this.#training = undefined;
    }
    return this.#test(label);
  }

  /**
   * Evaluates `test_splits`: after training with the best weights of the run, else with those that are there.
   * @param label the epoch in the names of result files
   * @returns scores by split
   */
  evaluate(label: string | number = 'best'): Promise<Record<string, Metrics>> {
    return this.#hooks.tellingOfFailure(() => this.#test(label));
  }

  async #test(label: string | number): Promise<Record<string, Metrics>> {
    const { testSplits, resumeCkptPath, evaluate, quantize } = this.settings;
    if (evaluate && testSplits.length === 0) {
      throw new ConfigError('there is nothing to evaluate', {
        where: 'run.test_splits',
        allowed: "['test']",
      });
    }
    if (label === 'best' && testSplits.length > 0) await this.#loadBest();
    if (evaluate) {
      const loaded = await loadTogether(this, 'loads the weights', () => resumeCkptPath, { anySize: true });
      if (!loaded) await broadcastVariables(this.comm, this.model.stateDict());
      if (quantize) quantizeModel(this.model);
    }
    if (testSplits.length > 0) await this.#hooks.tell((hook) => hook.weightsLoaded?.(this));
    const scores: Record<string, Metrics> = {};
    for (const split of testSplits) {
      const metrics = await this.#evaluator.evaluate(split, label);
      if (!metrics) continue;
      scores[split] = metrics;
      await this.#journal.stats(split, metrics);
      await this.#hooks.tell((hook) => hook.afterEvaluation?.(this, split, metrics, label, false));
    }
    await this.#hooks.tell((hook) => hook.afterRun?.(this));
    return scores;
  }

  /** Writes checkpoint_<name>.pth on rank 0, the others wait; to be called between steps. @returns its path */
  async save(name: string): Promise<string> {
    const { optimizer, step } = this.#running;
    await this.#flush();
    const path = join(this.folder.path, `checkpoint_${name}.pth`);
    const rng = await this.comm.allGather(this.model.rngState(), 'random state');
    const state = this.#journal.snapshot(rng, this.stepsOf(this.state.round));
    const done = this.numberAfter(state.round);
    await onRankZero(this.comm, `writes checkpoint_${name}.pth`, () =>
      writeCheckpoint(path, {
        model: this.model,
        optimizer,
        scaler: this.#scaler,
        config: this.config.toJSON(),
        position: this.unit === 'epoch' ? { epoch: done } : { iters: done + state.step },
        state,
        accumulated: step.accumulated,
      }),
    );
    this.lastCheckpoint = path;
    return path;
  }

  async stopIfAsked(): Promise<void> {
    const signal = this.#training && (await this.#askedToStop());
    if (signal) throw new RunInterrupted(signal, this.lastCheckpoint);
  }

  /** The batches of all training data. */
  protected get trainLoader(): BatchSource {
    return this.#running.loader;
  }

  get #running(): Training {
    if (!this.#training) throw new TrainingError('the run is not training');
    return this.#training;
  }

  /** Training from where the state stands to the round's end, evaluation, and what follows. */
  async #runRound(): Promise<void> {
    const { state } = this;
    this.model.train();
    if (state.step < this.stepsOf(state.round)) await this.#trainSteps();
    this.#running.step.reset(); // micro-batches that make no whole update; the reference carries them on
    await this.#journal.stats('train', this.#journal.meters.summary());
    await this.#hooks.tell((hook) => hook.afterSteps?.(this, this.#journal.meters.averages()));
    const best = await this.#validate().catch((thrown: unknown) => {
      if (this.comm.rank === 0 && !(thrown instanceof RunInterrupted) && this.lastCheckpoint) {
        log.warn(`the evaluation failed; ${this.place()} is saved: --resume goes on with its evaluation`);
      }
      throw thrown;
    });
    this.#journal.nextRound();
    await this.#hooks.tell((hook) => hook.afterRound?.(this, best));
  }

  async #trainSteps(): Promise<void> {
    const { state, settings, comm } = this;
    const { schedule, step } = this.#running;
    const steps = this.stepsOf(state.round);
    let before = performance.now();
    for await (const batch of this.batches()) {
      const arrived = performance.now();
      const lr = schedule!.lrAt(state.round, state.step);
      const update = (state.step + 1) % settings.accumGradIters === 0;
      const at = { epoch: state.round, step: state.step, stepsPerEpoch: this.stepsOf(0) };
      const { later, stop, ...report } = await step.run(batch, lr, update, at);
      await this.#flush();
      const place = { at: `${this.place()}, step ${state.step}`, batch, lr };
      this.#journal.meters.update({ lr, ...report.losses });
      this.#takeNote(report, place);
      if (later) this.#running.pending = { later, place };
      state.step++;
      if (isLogged(this)) Object.assign(report, await this.#flush());
      const done = performance.now();
      const images = batchSize(batch) * comm.worldSize;
      const times = { images, dataSeconds: (arrived - before) / 1000, seconds: (done - before) / 1000 };
      await this.#hooks.tell((hook) => hook.afterStep?.(this, { ...report, lr, ...times }));
      if (state.step === steps) return this.#stopIfAsked();
      if (comm.worldSize === 1) await this.#stopIfAsked();
      else if (stop) await this.#stop(stop);
      before = done;
    }
    throw new TrainingError('the training data ended before its epoch', {
      where: `step ${state.step} of ${steps}`,
    });
  }

  /** Waits for what the last update came to, where a graphics card has it. */
  async #flush(): Promise<UpdateReport | undefined> {
    const pending = await this.#running.takePending();
    if (pending) this.#takeNote(pending.report, pending.place);
    return pending?.report;
  }

  /** @throws TrainingError for a step that is no number, unless those are skipped */
  #takeNote(report: UpdateReport & Partial<StepReport>, place: StepPlace): void {
    if (report.bad) handleBadStep(this, report, place);
    if (report.gradNorm !== undefined) this.#journal.meters.update({ grad_norm: report.gradNorm });
  }

  /** Scores the valid splits when it is their turn. @returns whether the weights are the best so far. */
  async #validate(): Promise<boolean> {
    const { state, settings, unit } = this;
    if (!isValidationDue(settings, state.round, this.rounds)) return false;
    const decisive = decisiveSplit(settings);
    const standing = new Standing(this.#monitor, state.bestScore, state.bestAt, state.waited);
    const label = this.labelAfter(state.round + 1);
    // First: an evaluation that fails, or is killed, costs no training.
    if (settings.validSplits.length > 0) await this.save('latest');
    for (const split of settings.validSplits) {
      const scores = await this.#evaluator.validate(split, label);
      if (!scores) continue;
      const decides = split === decisive ? this.#monitor.scoreOf(scores) : undefined;
      const at = this.numberAfter(state.round + 1);
      const best = decides !== undefined && standing.add(decides, at, settings.minDelta);
      await this.#journal.stats(split, { ...scores, [`best_${unit}`]: standing.at });
      await this.#hooks.tell((hook) => hook.afterEvaluation?.(this, split, scores, label, best));
    }
    // Only now: a run that is stopped during evaluation evaluates again.
    state.waited = standing.waited;
    if (!standing.improved) return false;
    this.#journal.foundBest(standing.score!, standing.at);
    return true;
  }

  #tellOfPatience(): void {
    const { patience } = this.settings;
    const told = `no better score in ${counted(patience!, 'evaluation')} (run.patience): training ends`;
    if (this.comm.rank === 0) log.info(`${told} after ${this.unit} ${this.numberAfter(this.state.round)}`);
  }

  /**
   * Saves and ends the run when a signal came to any rank.
   * @param rng the generator's state to save; the current one by default
   * @throws RunInterrupted
   */
  async #stopIfAsked(rng?: readonly number[]): Promise<void> {
    const signal = await this.#askedToStop();
    if (signal) await this.#stop(signal, rng);
  }

  /** The signal that came to some rank, the same on all. */
  async #askedToStop(): Promise<NodeJS.Signals | undefined> {
    const { stop } = this.#running;
    await setImmediate(); // lets the signal in: nothing else in a step waits for the system
    // What all were told, on each: a signal that came since waits for the next time.
    return (await this.comm.allGather(stop.received, 'stop')).find(Boolean);
  }

  async #stop(signal: NodeJS.Signals, rng?: readonly number[]): Promise<never> {
    if (rng) this.model.restoreRngState(rng);
    throw new RunInterrupted(signal, await this.save('latest'));
  }

  /** Rank 0 looks: going through all samples takes a moment where there are many. */
  async #takeFingerprint(): Promise<void> {
    const { comm } = this;
    const own = comm.rank === 0 ? this.#splits.fingerprint() : undefined;
    this.state.fingerprint = (await comm.allGather(own, 'fingerprint'))[0];
  }

  async #loadBest(): Promise<void> {
    const path = await loadTogether(this, 'loads the best weights', () => this.#journal.bestCheckpoint());
    if (path) log.info(`Testing with the best weights (${this.unit} ${this.state.bestAt}): ${path}`);
  }
}
