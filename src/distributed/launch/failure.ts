import { constants } from 'node:os';
import { counted } from '../../common/words.js';
import type { Fault } from '../faults.js';
import type { WorkerEnd } from './worker_process.js';

/** How a worker ended, and what it said. */
export interface Ending extends WorkerEnd, Fault {
  /** The last lines on its standard error, where the launcher saw them. */
  readonly lastLines: readonly string[];
  /** It was asked to end, because another one had failed. */
  readonly asked: boolean;
}

/** The workers that failed by themselves, the first one first. */
export const failuresOf = (endings: readonly Ending[]): Ending[] =>
  endings.filter(({ code, asked }) => code !== 0 && !asked);

/** The one whose failure is nobody else's consequence. @param failures at least one */
export const culpritOf = (failures: readonly Ending[]): Ending =>
  failures.find(({ consequence }) => !consequence) ?? failures[0];

export const exitCodeOf = ({ code, signal }: WorkerEnd): number =>
  signal ? 128 + constants.signals[signal] : code || 1;

/**
 * One message for all workers: how the first one failed, what became of the others, and last the first
 * one's error. The others' errors are told where they are of another kind, by their first line.
 * @param endings in the order of time; one is a failure
 */
export function describeFailure(endings: readonly Ending[]): string {
  const failures = failuresOf(endings);
  const culprit = culpritOf(failures);
  const told = headline(culprit);
  const others = failures.filter((one) => one !== culprit && !one.consequence && headline(one) !== undefined);
  const alike = others.filter((one) => headline(one) === told);
  const unlike = others.filter((one) => headline(one) !== told);
  const well = endings.filter(({ code, asked }) => code === 0 && !asked);
  const ended = endings.length - 1 - others.length - well.length;
  const how = culprit.signal ? `killed by ${culprit.signal}` : `exit code ${culprit.code}`;
  const clauses = [
    `rank ${culprit.rank} of ${endings.length} failed first (${how})`,
    ...(alike.length > 0 ? [`${counted(alike.length, 'other')} likewise`] : []),
    ...(ended > 0 ? [`${counted(ended, 'other')} ended because of it`] : []),
  ];
  const also = unlike.map((one) => `rank ${one.rank} failed too: ${headline(one)}\n`);
  const error =
    culprit.text ??
    errorLines(culprit.lastLines)
      .map((line) => `  ${line}\n`)
      .join('');
  return `${also.join('')}${clauses.join(', ')}${error ? `:\n${error}` : '\n'}`;
}

const headline = ({ text }: Fault): string | undefined => text?.split('\n')[0];

/** From the last line that names an error; all lines where none does. */
function errorLines(lines: readonly string[]): readonly string[] {
  const from = lines.findLastIndex((line) => /^(\w*Error|lavis|failed)\b.*:/.test(line));
  return lines.slice(Math.max(0, from));
}
