import type { PlainValue } from '../config/index.js';
import { bestScore, duration, lastEvaluations, type RunData } from './read_run.js';

/** Two runs, value by value. */
export interface Difference {
  key: string;
  /** Absent where the run has no such key. */
  a?: PlainValue;
  b?: PlainValue;
}

export interface Comparison {
  /** The values of the configuration that differ. */
  config: Difference[];
  /** Numbers that either run has, under the same names. */
  metrics: { name: string; a?: number; b?: number }[];
}

/** Keys that differ between any two runs and mean nothing. */
const IRRELEVANT = new Set(['run.output_dir', 'run.resume_ckpt_path']);

export function compareRuns(a: RunData, b: RunData): Comparison {
  const [ours, theirs] = [a, b].map((run) => new Map(run.config.map(({ key, value }) => [key, value])));
  const keys = [...new Set([...ours.keys(), ...theirs.keys()])].filter((key) => !IRRELEVANT.has(key));
  const config = keys
    .filter((key) => JSON.stringify(ours.get(key)) !== JSON.stringify(theirs.get(key)))
    .map((key) => ({ key, a: ours.get(key), b: theirs.get(key) }));
  const [left, right] = [numbersOf(a), numbersOf(b)];
  const names = [...new Set([...left.keys(), ...right.keys()])];
  return { config, metrics: names.map((name) => ({ name, a: left.get(name), b: right.get(name) })) };
}

/** What a run came to, by name. */
function numbersOf({ lines, record }: RunData): Map<string, number> {
  const numbers = new Map<string, number>();
  const add = (name: string, value: unknown) => {
    if (typeof value === 'number' && Number.isFinite(value)) numbers.set(name, value);
  };
  const best = bestScore(lines);
  add('parameters', record?.parameters);
  add('iterations', lines.findLast(({ kind }) => kind === 'step')?.iteration);
  add('seconds', Math.round(duration(lines)));
  add('images per second', median(lines.map((line) => line.images_per_second)));
  add('train loss, last epoch', lines.findLast(({ kind }) => kind === 'epoch')?.loss);
  for (const line of lastEvaluations(lines)) {
    const isBest = line.split === best?.split ? best : line;
    for (const [name, value] of Object.entries(isBest ?? line)) {
      if (!NOT_COMPARED.has(name)) add(`${line.split} ${name}`, value);
    }
  }
  if (best) add(`best epoch on ${best.split}`, best.epoch);
  return numbers;
}

const NOT_COMPARED = new Set(['kind', 'epoch', 'iteration', 'time', 'split', 'label', 'best', 'agg_metrics']);

/** Of the numbers in it; the first steps and pauses weigh little. */
function median(values: readonly unknown[]): number | undefined {
  const sorted = values.filter((value): value is number => Number.isFinite(value)).sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)];
}

/** A table for people. @param a, b what the runs are called */
export function describeComparison(a: string, b: string, { config, metrics }: Comparison): string {
  const absent = (value: unknown) => (value === undefined ? '–' : JSON.stringify(value));
  const settings = config.map(({ key, a, b }) => [`  ${key}`, absent(a), absent(b)]);
  const numbers = metrics.map(({ name, a, b }) => [`  ${name}`, shown(a), shown(b), change(a, b)]);
  const none = settings.length === 0 ? [['  (no difference)']] : [];
  const rows = [['', a, b], ['configuration'], ...settings, ...none, ['numbers'], ...numbers];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const shown = (value: number | undefined) =>
  value === undefined ? '–' : Number.isInteger(value) ? String(value) : value.toFixed(4);

/** `+0.1200`, where both are there. */
function change(a: number | undefined, b: number | undefined): string {
  if (a === undefined || b === undefined || a === b) return '';
  const by = b - a;
  return `${by > 0 ? '+' : '-'}${shown(Math.abs(by))}`;
}
