import { createHash } from 'node:crypto';
import type { ErrorDetails } from '../../common/errors.js';
import type { ReaderSpec, Sample, SampleJob } from '../types.js';

/** A short name of a reader: jobs carry it in place of the whole section. */
export function readerId(spec: ReaderSpec): string {
  const content = createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 12);
  return `${spec.builder} ${spec.split} ${content}`;
}

/** A share of a batch, as it travels to a worker. */
export interface WorkerRequest {
  /** Modules that register a user's own classes; absolute paths. */
  plugins: string[];
  tasks: { job: SampleJob; rng: (number | string)[] }[];
}

/** What comes back: samples whose pixels are handed over, or errors in plain data. */
export type WorkerOutcome = { sample: Sample } | { headline: string; details: ErrorDetails };
