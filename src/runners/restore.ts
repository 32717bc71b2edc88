import { dirname } from 'node:path';
import { CheckpointError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { broadcastVariables, type Communicator, onRankZero } from '../distributed/index.js';
import { tf } from '../engine/index.js';
import { locateWeights, type Model } from '../models/index.js';
import type { AdamW, GradScaler } from '../optim/index.js';
import { type RestoredRun, readCheckpoint, restoreWeights } from './checkpoints.js';
import { compareRun } from './fingerprint.js';
import { disposeGradients, type Gradients } from './gradients.js';
import type { Run } from './hooks.js';
import type { Journal } from './journal.js';
import type { Training } from './training.js';

interface RestoredParts {
  comm: Communicator;
  model: Model;
  optimizer: AdamW;
  scaler?: GradScaler;
}

/** What was restored, and what rank 0 found out about it. */
type Restored<T> = RestoredRun & { path: string; found: T };

/**
 * Goes on from a checkpoint with all ranks: rank 0 finds and reads it, and the others get what it holds, so that they
 * neither need to see the file nor can take another one. The weights are left to whoever broadcasts the model.
 * @param locate on rank 0: where the checkpoint is
 * @param look on rank 0, at what it says of its run; the answer is told to all
 */
async function restoreTogether<T>(
  { comm, model, optimizer, scaler }: RestoredParts,
  locate: () => Promise<string>,
  look: (path: string, restored: RestoredRun) => T,
): Promise<Restored<T>> {
  let accumulated: Gradients = new Map();
  const told = await onRankZero(comm, 'reads the checkpoint', async () => {
    const path = await locate();
    const restored = await readCheckpoint(path, model, optimizer, scaler);
    const found = look(path, restored);
    accumulated = restored.accumulated;
    const shapes = [...accumulated].map(([name, { shape }]) => [name, shape] as const);
    const counts = { steps: optimizer.steps, scaler: scaler?.state };
    return { run: { ...restored, accumulated: undefined, path, found }, shapes, counts };
  });
  if (comm.rank > 0) {
    optimizer.steps = told.counts.steps;
    if (scaler && told.counts.scaler) scaler.loadStateDict(told.counts.scaler);
    for (const [name, shape] of told.shapes) accumulated.set(name, tf.zeros(shape));
  }
  await broadcastVariables(comm, optimizer.moments(), 'moments of the optimizer');
  if (comm.worldSize > 1 && told.shapes.length > 0) accumulated = await shared(comm, accumulated);
  return { ...told.run, accumulated };
}

/**
 * Loads weights on all ranks: rank 0 decides which file is read, and reads it. The others may see another state of the
 * file system.
 * @returns what `choose` gave on rank 0
 */
export async function loadTogether(
  { comm, model }: Pick<RestoredParts, 'comm' | 'model'>,
  what: string,
  choose: () => string | undefined,
  options?: { anySize: boolean },
): Promise<string | undefined> {
  const path = await onRankZero(comm, what, async () => {
    const chosen = choose();
    if (chosen) await restoreWeights(chosen, model, options);
    return chosen;
  });
  if (path) await broadcastVariables(comm, model.stateDict());
  return path;
}

export interface ResumedRun {
  run: Run;
  journal: Journal;
  training: Training;
  scaler?: GradScaler;
}

/**
 * Goes on from a checkpoint of this run, or from weights and the position of another program's.
 * @returns its path
 * @throws ConfigError where the run has changed more than `run.resume_changed` allows; CheckpointError
 */
export async function resumeRun(
  { run, journal, training: { optimizer, step }, scaler }: ResumedRun,
  place: string,
): Promise<string> {
  const { comm, model, settings, state } = run;
  const { fingerprint } = state;
  const restored = await restoreTogether(
    { comm, model, optimizer, scaler },
    () => locateWeights(place, 'run.resume_ckpt_path=FILE'),
    (path, { state: saved }) =>
      saved && compareRun(path, saved.fingerprint, fingerprint!, settings.resumeChanged),
  );
  const { path, found: changes } = restored;
  if (restored.state && changes) {
    await journal.restore(restored.state, dirname(path));
    const rng = restored.state.rng[comm.rank];
    if (rng) model.restoreRngState(rng);
    if (changes.training) {
      disposeGradients(restored.accumulated);
      state.step = stepAfterChange(run, restored);
      if (state.step === 0) journal.restartRound();
    }
    const { monitor: before = 'agg_metrics' } = restored.state;
    const remeasured = before !== state.monitor;
    if (remeasured) log.warn(`run.monitor was ${before}: ${state.monitor} chooses the best checkpoint anew`);
    if (changes.evaluation || remeasured) journal.forgetBest();
  } else {
    state.round = roundAfter(run, path, restored);
    if (comm.rank === 0) {
      log.warn(`${path} was not written here: its best score, random state and log are not in it`);
    }
    await journal.logConfig(run.config);
  }
  step.restore(restored.accumulated);
  log.info(`Resumed from ${path}: ${run.place()}, step ${state.step}`);
  return path;
}

/**
 * The step of a round whose samples come otherwise now: a round that was trained to its end stays so, iterations go on
 * counting, an epoch that was cut short begins again.
 */
function stepAfterChange(
  run: Pick<Run, 'state' | 'unit' | 'stepsOf'>,
  { state: saved }: RestoredRun,
): number {
  const { state, unit } = run;
  if (state.step === 0) return 0;
  const steps = run.stepsOf(state.round);
  if (state.step === saved?.steps) return steps;
  return unit === 'iters' ? Math.min(state.step, steps) : 0;
}

/** The round that a checkpoint of LAVIS's own goes on with. @throws CheckpointError where the run has none */
function roundAfter(
  run: Pick<Run, 'rounds' | 'unit' | 'numberAfter'>,
  path: string,
  restored: RestoredRun,
): number {
  const { unit, rounds } = run;
  const done = restored[unit];
  for (let round = 0; done !== undefined && round <= rounds; round++) {
    if (run.numberAfter(round) >= done) return round;
  }
  throw new CheckpointError('no run of this length can go on from the checkpoint', {
    where: path,
    found: done === undefined ? `no '${unit}'` : `${unit} ${done}`,
    allowed: `${unit} of at most ${run.numberAfter(rounds)}`,
    help: `run.runner=${unit === 'epoch' ? 'runner_iter' : 'runner_base'} if that one wrote it`,
  });
}

/** Rank 0's gradients, on every rank. */
async function shared(comm: Communicator, gradients: Gradients): Promise<Gradients> {
  const variables = new Map([...gradients].map(([name, grad]) => [name, tf.variable(grad, false)]));
  disposeGradients(gradients);
  await broadcastVariables(comm, variables, 'accumulated gradients');
  const copies: Gradients = new Map([...variables].map(([name, variable]) => [name, variable.clone()]));
  tf.dispose([...variables.values()]);
  return copies;
}
