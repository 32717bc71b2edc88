import { existsSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { log } from '../common/logging.js';
import type { Config } from '../config/index.js';
import type { Communicator } from '../distributed/index.js';
import { pythonJson } from '../tasks/index.js';
import { Meters } from './meters.js';
import type { LogState, RunFolder } from './run_folder.js';
import { newRunState, type RunState } from './state.js';

/** What a run has done and said so far: its position, averages, best score and log lines. */
export class Journal {
  readonly meters = new Meters();
  readonly state: RunState;
  /** Log lines up to the last complete round: an unfinished one logs again after a resume. */
  #complete: LogState = {};

  constructor(
    seed: number,
    readonly folder: RunFolder,
    private readonly comm: Communicator,
  ) {
    this.state = newRunState(seed, comm.worldSize);
  }

  /** Adds a line to a log file; rank 0 writes. */
  async line(file: string, text: string): Promise<void> {
    if (this.comm.rank === 0) await this.folder.append(file, text);
  }

  /** A split's line in log.txt, its keys as the reference names them: val_CIDEr. */
  async stats(split: string, stats: Record<string, unknown>): Promise<void> {
    const named = Object.entries(stats).map(([name, value]) => [`${split}_${name}`, value]);
    const text = pythonJson(Object.fromEntries(named));
    log.info(text);
    await this.line('log.txt', text);
  }

  /** The first line of log.txt. */
  async logConfig(config: Config): Promise<void> {
    await this.line('log.txt', JSON.stringify(config.toJSON()));
    this.keepLines();
  }

  /** From here on, checkpoints hold all lines that were written. */
  keepLines(): void {
    this.#complete = this.folder.state();
  }

  nextRound(): void {
    this.state.round++;
    this.state.step = 0;
    this.meters.reset();
    this.keepLines();
  }

  /** @param at the best round's number */
  foundBest(score: number, at: number): void {
    this.state.bestScore = score;
    this.state.bestAt = at;
    this.state.bestPath = join(this.folder.path, 'checkpoint_best.pth');
  }

  /** Where the best weights are. */
  bestCheckpoint(): string | undefined {
    const { bestPath } = this.state;
    if (!bestPath || existsSync(bestPath)) return bestPath ?? undefined;
    log.warn(`${bestPath} is gone: the test takes the last weights instead`);
    return undefined;
  }

  /** The round begins again: its samples come in another order. */
  restartRound(): void {
    this.state.step = 0;
    this.meters.reset();
  }

  /** Scores are of other data, or others altogether, from here on. */
  forgetBest(): void {
    this.state.bestScore = null;
    this.state.waited = undefined;
  }

  /** What a checkpoint keeps. @param rng each rank's generator @param steps micro-steps of the round */
  snapshot(rng: number[][], steps: number): RunState {
    const { bestPath } = this.state;
    const best = bestPath && relative(this.folder.path, bestPath);
    return { ...this.state, bestPath: best, steps, rng, meters: this.meters.state(), logs: this.#complete };
  }

  /**
   * Goes on from a checkpoint: lines that were written after it are taken back.
   * @param from the folder that it lies in
   */
  async restore(saved: RunState, from: string): Promise<void> {
    const { seed, worldSize, fingerprint, monitor } = this.state;
    const bestPath = saved.bestPath && located(saved.bestPath, from);
    Object.assign(this.state, saved, { seed, worldSize, fingerprint, monitor, bestPath });
    this.meters.restore(saved.meters);
    await this.folder.restore(saved.logs);
    this.keepLines();
  }
}

/** What belongs to a run lies in its folder, also where that was copied; older checkpoints hold a whole path. */
function located(path: string, folder: string): string {
  const beside = join(folder, basename(path));
  return existsSync(beside) ? beside : resolve(folder, path);
}
