import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeOldCheckpoints } from './checkpoints.js';
import type { Run, RunHook } from './hooks.js';

/**
 * Writes checkpoint_best.pth; checkpoint_<n>.pth every `save_freq` rounds, every round where nothing is
 * evaluated, and at the end with `save_last`; checkpoint_latest.pth every `save_every_iters` micro-steps,
 * as a stop does; a finished run has it no more.
 */
export class CheckpointHook implements RunHook {
  async afterStep(run: Run): Promise<void> {
    const { saveEveryIters } = run.settings;
    const { round, step } = run.state;
    if (!saveEveryIters || step === run.stepsOf(round)) return;
    let done = step;
    for (let before = 0; before < round; before++) done += run.stepsOf(before);
    if (done % saveEveryIters === 0) await run.save('latest');
  }

  async afterRound(run: Run, best: boolean): Promise<void> {
    const { validSplits, saveFreq, saveLast, keepLast } = run.settings;
    const { round } = run.state;
    if (best) await run.save('best');
    const due = validSplits.length === 0 || (saveFreq > 0 && (round - 1) % saveFreq === 0);
    const last = saveLast && round === run.rounds;
    if (!due && !last) return;
    await run.save(String(run.numberAfter(round)));
    if (keepLast && run.comm.rank === 0) await removeOldCheckpoints(run.folder.path, keepLast);
  }

  /** The state that a stop left is older than the last round's: its name would mislead. */
  async afterTraining(run: Run): Promise<void> {
    if (run.comm.rank !== 0) return;
    const path = (name: string) => join(run.folder.path, `checkpoint_${name}.pth`);
    const last = path(String(run.numberAfter(run.rounds)));
    if (existsSync(last)) await rm(path('latest'), { force: true });
  }
}
