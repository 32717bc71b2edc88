import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { removeCheckpoint, removeOldCheckpoints } from './checkpoints.js';
import type { Run, RunHook } from './hooks.js';
import { isCheckpointDue } from './plan.js';

/**
 * Writes checkpoint_best.pth; checkpoint_<n>.pth every `save_freq` rounds, every round where nothing is
 * evaluated, and at the end with `save_last`; checkpoint_latest.pth every `save_every_iters` micro-steps,
 * as a stop does; a finished run has it no more.
 */
export class CheckpointHook implements RunHook {
  /** A kill may have come between the best checkpoint of a round and its numbered one. */
  async beforeTraining(run: Run): Promise<void> {
    const { round, step } = run.state;
    if (step !== 0 || round === 0 || !run.lastCheckpoint || !isDue(run)) return;
    const path = join(run.folder.path, `checkpoint_${run.numberAfter(round)}.pth`);
    const lacking = dirname(resolve(run.lastCheckpoint)) === run.folder.path && !existsSync(path);
    // Only rank 0 need see the folder, and all have to agree.
    const [lost] = await run.comm.allGather(lacking, 'checkpoints');
    if (lost) await this.#saveNumbered(run);
  }

  async afterStep(run: Run): Promise<void> {
    const { saveEveryIters } = run.settings;
    const { round, step } = run.state;
    if (!saveEveryIters || step === run.stepsOf(round)) return;
    let done = step;
    for (let before = 0; before < round; before++) done += run.stepsOf(before);
    if (done % saveEveryIters === 0) await run.save('latest');
  }

  async afterRound(run: Run, best: boolean): Promise<void> {
    // First: a run that goes on from the numbered one finds the best that it tells of.
    if (best) await run.save('best');
    if (isDue(run)) await this.#saveNumbered(run);
  }

  /** The state that a stop left is older than the last round's: its name would mislead. */
  async afterTraining(run: Run): Promise<void> {
    if (run.comm.rank !== 0) return;
    const path = (name: string) => join(run.folder.path, `checkpoint_${name}.pth`);
    const last = path(String(run.numberAfter(run.state.round)));
    if (existsSync(last)) await removeCheckpoint(path('latest'));
  }

  async #saveNumbered(run: Run): Promise<void> {
    const { keepLast } = run.settings;
    await run.save(String(run.numberAfter(run.state.round)));
    if (keepLast && run.comm.rank === 0) await removeOldCheckpoints(run.folder.path, keepLast);
  }
}

/** Whether the round that is done has a checkpoint of its own. */
const isDue = ({ settings, state, rounds, isOver }: Run) =>
  isCheckpointDue(settings, state.round - 1, rounds) || (settings.saveLast && isOver);
