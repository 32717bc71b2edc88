import { resolve } from 'node:path';
import { CheckpointError, RunInterrupted } from '../common/errors.js';
import { expandHome } from '../common/paths.js';
import type { Config, Overrides, PlainObject } from '../config/index.js';
import type { Communicator } from '../distributed/index.js';
import { beneathCheckpoint, namedWeights } from '../models/index.js';
import { type BaseRunner, newestCheckpoint, type RunHook, runSettings } from '../runners/index.js';
import type { Metrics } from '../tasks/index.js';
import { abandonJob, type Job } from './job.js';
import { agreeOnJob, joinRun, makeRunner, prepareRun } from './prepare_run.js';

export interface CarryOutOptions {
  /** As --device says; `run.device` by default. */
  device?: string;
  /** The name of the run's folder under `run.output_dir`; the time of the start by default. */
  jobId?: string;
  /** Told of every stage, after the hooks of `run.hooks`. */
  hooks?: RunHook[];
}

export interface TrainOptions extends CarryOutOptions {
  /** Go on from the newest whole checkpoint of `run.output_dir`, or of `jobId`. */
  resume?: boolean;
}

export interface EvaluateOptions extends CarryOutOptions {
  /** Weights to evaluate, in place of the model section's. */
  checkpoint?: string;
}

/** What a run came to. Its curves, results and logs are files of its folder. */
export interface RunResult {
  /** The run's own folder, absolute. */
  folder: string;
  /** Scores of `test_splits` by split, then by name. */
  scores: Record<string, Metrics>;
}

export interface TrainResult extends RunResult {
  /** The weights that scored best on the deciding split, which the test splits were scored with; none where nothing was validated. */
  best?: BestWeights;
}

export interface BestWeights {
  /** checkpoint_best.pth, absolute. */
  checkpoint: string;
  /** What `run.monitor` names: the task's `agg_metrics` unless told. */
  score: number;
  /** The epoch, or with `runner_iter` the number of iterations. */
  at: number;
}

/**
 * Trains as a configuration says, then scores `test_splits` with the best weights: what `lavis train` does. Where the
 * environment makes this process a worker, it trains together with the others, and each gets the result.
 * @throws LavisError when the configuration has a fault, something is missing, or training fails; RunInterrupted
 * when a signal stopped the run, which has saved then
 */
export async function train(config: Config, options: TrainOptions = {}): Promise<TrainResult> {
  const asked = ready(config);
  const comm = await joinRun(asked);
  const job = await agreeOnJob(comm, asked, options);
  const { checkpoint } = job;
  const resumed = checkpoint ? asked.with({ run: { resume_ckpt_path: checkpoint } }, '--resume') : asked;
  const training = !resumed.run.evaluate;
  return carryOut(resumed, options, { comm, job, training }, async (runner) => {
    const scores = await runner.train();
    const { bestPath, bestScore, bestAt } = runner.state;
    const best = bestPath ? { checkpoint: bestPath, score: bestScore!, at: bestAt } : undefined;
    return { folder: runner.folder.path, scores, best };
  });
}

/**
 * Scores `test_splits` as a configuration says, with the weights that it or `checkpoint` names: what `lavis eval` does.
 * @throws LavisError when the configuration has a fault, or something is missing
 */
export async function evaluate(config: Config, options: EvaluateOptions = {}): Promise<RunResult> {
  let asked = config.run.evaluate ? config : config.with({ run: { evaluate: true } }, 'evaluate()');
  if (options.checkpoint) {
    const { values, origin } = weightsToEvaluate(options.checkpoint, asked.model);
    asked = asked.with(values, origin);
  }
  asked = ready(asked);
  const comm = await joinRun(asked);
  const job = await agreeOnJob(comm, asked, { jobId: options.jobId });
  return carryOut(asked, options, { comm, job, training: false }, async (runner) => {
    const scores = await runner.evaluate();
    return { folder: runner.folder.path, scores };
  });
}

/** What an evaluation of a checkpoint changes in a configuration. */
export const weightsToEvaluate = (checkpoint: string, model: PlainObject): Overrides => ({
  values: { run: { resume_ckpt_path: checkpoint }, model: beneathCheckpoint(model) },
  origin: `--checkpoint ${checkpoint}`,
});

/**
 * Scores of weights that were never trained mean nothing, nor do their results.
 * @throws CheckpointError when an evaluation has no weights; it names those that a run of the configuration made
 */
async function refuseUntrained(config: Config): Promise<void> {
  if (config.run.resume_ckpt_path || namedWeights(config.model)) return;
  const folder = resolve(expandHome(runSettings(config).outputDir));
  const trained = await newestCheckpoint(folder, 'best');
  throw new CheckpointError('there are no weights to evaluate', {
    where: 'model.finetuned, model.pretrained, run.resume_ckpt_path',
    found: trained ? `none are named; a run of this configuration made some: ${trained}` : 'none are named',
    help: `--checkpoint ${trained ?? 'FILE'}`,
  });
}

/** A configuration without faults, its cache root in use. */
function ready(config: Config): Config {
  const checked = config.checked();
  checked.useCacheRoot();
  return checked;
}

interface Start {
  comm: Communicator;
  job: Job;
  training: boolean;
}

/** Makes a run's parts, lets `work` use them, and gives them back. A run that never began leaves no folder. */
async function carryOut<T>(
  config: Config,
  { device, hooks }: CarryOutOptions,
  { comm, job, training }: Start,
  work: (runner: BaseRunner) => Promise<T>,
): Promise<T> {
  const prepared = await prepareRun(config, { device, training, comm });
  if (!training) await refuseUntrained(config);
  const runner = await makeRunner({ ...prepared, hooks }, job);
  try {
    const result = await work(runner);
    await comm.close();
    return result;
  } catch (thrown) {
    if (comm.rank === 0) abandonJob(runner.folder.path);
    // After anything else the others find out by this rank's silence, and say whose it is.
    if (thrown instanceof RunInterrupted) await comm.close();
    throw thrown;
  } finally {
    prepared.model.dispose();
  }
}
