import { CheckpointError } from '../common/errors.js';
import type { Fingerprint } from './fingerprint.js';
import type { MeterState } from './meters.js';
import type { Waiting } from './patience.js';
import type { LogState } from './run_folder.js';

/** Where a run stands between two steps: with weights and moments, all that an exact resume needs. */
export interface RunState {
  version: 1;
  /** Epochs done (`runner_iter`: inner epochs). */
  round: number;
  /** Micro-steps done in the current one. */
  step: number;
  bestScore: number | null;
  /** Epoch or iterations of the best checkpoint. */
  bestAt: number;
  /** Absolute; relative to the run's folder in a checkpoint. */
  bestPath: string | null;
  meters: MeterState;
  logs: LogState;
  /** Generator state of each rank's model. */
  rng: number[][];
  seed: number;
  worldSize: number;
  /** Micro-steps of the current round; absent in older checkpoints. */
  steps?: number;
  /** What `bestScore` is a score of; `agg_metrics` where it is absent. */
  monitor?: string;
  /** Absent in older checkpoints. */
  fingerprint?: Fingerprint;
  /** For `run.patience`; absent before the first evaluation, and in older checkpoints. */
  waited?: Waiting;
  /** Micro-batches that were left out for a bad loss. */
  skipped: number;
}

export const newRunState = (seed: number, worldSize: number): RunState => ({
  version: 1,
  round: 0,
  step: 0,
  bestScore: null,
  bestAt: 0,
  bestPath: null,
  meters: {},
  logs: {},
  rng: [],
  seed,
  worldSize,
  skipped: 0,
});

/** Checkpoints hold the state as JSON: exact for numbers, and readable from Python with json.loads. */
export const serializeState = (state: RunState): string => JSON.stringify(state);

/** @throws CheckpointError when the text is not a state of this version. */
export function parseState(text: string, path: string): RunState {
  try {
    const state = JSON.parse(text) as RunState;
    if (state.version === 1 && Number.isInteger(state.round) && Number.isInteger(state.step)) return state;
  } catch {
    // the same as another version
  }
  throw new CheckpointError('the checkpoint holds a run state of another version', {
    where: path,
    help: 'train with the version of lavis that wrote it, or start from its weights: model.finetuned=PATH',
  });
}
