import type { ErrorDetails } from '../../common/errors.js';
import type { Sample, SampleJob } from '../types.js';

/** A share of a batch, as it travels to a worker. */
export interface WorkerRequest {
  /** Modules that register a user's own classes; absolute paths. */
  plugins: string[];
  tasks: { job: SampleJob; rng: (number | string)[] }[];
}

/** What comes back: samples whose pixels are handed over, or errors in plain data. */
export type WorkerOutcome = { sample: Sample } | { headline: string; details: ErrorDetails };
