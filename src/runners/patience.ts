import { ConfigError } from '../common/errors.js';
import type { RunSettings } from './settings.js';

/** How long a run has waited for a better score. */
export interface Waiting {
  /** The score that a better one is measured from; null before the first. */
  score: number | null;
  /** Evaluations since then. */
  evaluations: number;
}

/** Whether `run.patience` evaluations in a row were no better. */
export const isPatienceOver = ({ patience }: Pick<RunSettings, 'patience'>, waited?: Waiting): boolean =>
  patience !== undefined && waited !== undefined && waited.evaluations >= patience;

/** @throws ConfigError for patience with nothing to wait for */
export function checkPatience({
  patience,
  validSplits,
}: Pick<RunSettings, 'patience' | 'validSplits'>): void {
  if (patience === undefined || validSplits.length > 0) return;
  throw new ConfigError('run.patience has nothing to wait for', {
    found: `patience ${patience}, and no split that is evaluated`,
    allowed: 'with valid_splits, and a task that evaluates them',
    help: '--options run.valid_splits=[val]',
  });
}
