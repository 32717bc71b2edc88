import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError } from '../common/errors.js';
import { expandHome } from '../common/paths.js';
import { isPlainObject, type PlainObject, type PlainValue } from '../config/index.js';
import { type MetricsLine, type RunRecord, readMetrics } from '../runners/index.js';

/** A value of a run's configuration. */
export interface Setting {
  key: string;
  value: PlainValue;
  /** Where it was written; unknown where only log.txt is there. */
  origin?: string;
}

/** A run as its folder tells it. */
export interface RunData {
  folder: string;
  /** `<output folder>/<job>`. */
  name: string;
  config: Setting[];
  lines: MetricsLine[];
  /** Absent for a run of LAVIS, or of an older version. */
  record?: RunRecord;
}

/** Reads a run's folder: ours, or LAVIS's own, whose log.txt holds the configuration and the epochs. */
export async function readRun(folder: string): Promise<RunData> {
  const record = (await readJson(join(folder, 'run.json'))) as RunRecord | undefined;
  const logged = await readLog(join(folder, 'log.txt'));
  const metrics = await readMetrics(folder);
  return {
    folder,
    name: `${basename(dirname(folder))}/${basename(folder)}`,
    config: record?.config ?? settingsOf(logged.config),
    lines: metrics.length > 0 ? metrics : linesOfLog(logged.stats),
    record,
  };
}

/**
 * The run folder that a path names: the folder itself, or the newest run under it.
 * @throws DataError where there is none.
 */
export async function findRun(path: string): Promise<string> {
  const folder = resolve(expandHome(path));
  const found = await runsUnder(folder, 3);
  if (found.length > 0) return found.reduce((a, b) => (b.time > a.time ? b : a)).folder;
  throw new DataError('there is no run', {
    where: folder,
    found: existsSync(folder) ? 'no folder with metrics.jsonl, run.json or log.txt in it' : 'no such folder',
    help: 'name the folder that lavis train printed, or the output_dir above it',
  });
}

async function runsUnder(folder: string, depth: number): Promise<{ folder: string; time: number }[]> {
  for (const name of ['metrics.jsonl', 'log.txt', 'run.json']) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found) return [{ folder, time: found.mtimeMs }];
  }
  if (depth === 0) return [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  return (await Promise.all(below.map(({ name }) => runsUnder(join(folder, name), depth - 1)))).flat();
}

/** The last evaluation of each split, in the order they came. */
export function lastEvaluations(lines: readonly MetricsLine[]): MetricsLine[] {
  const last = new Map<string, MetricsLine>();
  for (const line of lines) {
    if (line.kind !== 'evaluation' || line.split === undefined) continue;
    last.delete(line.split);
    last.set(line.split, line);
  }
  return [...last.values()];
}

/**
 * The evaluation that chose the best checkpoint, as the runner wrote it down. A run of LAVIS, or of an older version,
 * has no such line: there it is the highest of 'val', or of the first split that was scored, as the runner chooses.
 */
export function bestScore(lines: readonly MetricsLine[]): MetricsLine | undefined {
  const evaluations = lines.filter(({ kind }) => kind === 'evaluation');
  const chosen = evaluations.findLast(({ best }) => best === true);
  if (chosen) return chosen;
  const scored = evaluations.filter((line) => scoreOf(line) !== undefined);
  const split = scored.some((line) => line.split === 'val') ? 'val' : scored[0]?.split;
  return scored
    .filter((line) => line.split === split)
    .reduce<MetricsLine | undefined>(
      (best, line) => (best === undefined || scoreOf(line)! > scoreOf(best)! ? line : best),
      undefined,
    );
}

const scoreOf = ({ agg_metrics, CIDEr }: MetricsLine): number | undefined =>
  [agg_metrics, CIDEr].find((score): score is number => typeof score === 'number');

/** Seconds between the first and the last line; pauses between stop and resume count. */
export function duration(lines: readonly MetricsLine[]): number {
  const times = lines.map(({ time }) => time).filter(Number.isFinite);
  return times.length > 0 ? times.at(-1)! - times[0] : Number.NaN;
}

function settingsOf(value: PlainValue, path: string[] = []): Setting[] {
  if (!isPlainObject(value) || Object.keys(value).length === 0) {
    return path.length > 0 ? [{ key: path.join('.'), value }] : [];
  }
  return Object.entries(value as PlainObject).flatMap(([key, below]) => settingsOf(below, [...path, key]));
}

/** What LAVIS's log.txt holds: the configuration, then an object for each epoch and evaluation. */
export interface Log {
  config: PlainObject;
  stats: PlainObject[];
}

async function readLog(path: string): Promise<Log> {
  const objects = objectsOf(await readFile(path, 'utf8').catch(() => ''));
  const config = objects.find((object) => isPlainObject(object.run)) ?? {};
  return { config, stats: objects.filter((object) => object !== config) };
}

/** The objects of a text, each on one line or, as LAVIS writes its configuration, on several. */
function objectsOf(text: string): PlainObject[] {
  const objects: PlainObject[] = [];
  let open = '';
  for (const line of text.split('\n')) {
    open += line;
    try {
      const value: unknown = JSON.parse(open);
      if (isPlainObject(value)) objects.push(value);
      open = '';
    } catch {
      if (line.startsWith('}')) open = ''; // no JSON: what follows may be
    }
  }
  return objects;
}

/** log.txt's epochs as lines of metrics.jsonl; the clock and the steps are not in it. */
function linesOfLog(stats: readonly PlainObject[]): MetricsLine[] {
  let rounds = 0;
  return stats.flatMap((object): MetricsLine[] => {
    const [split] = Object.keys(object)[0]?.split('_') ?? [];
    if (!split) return [];
    const training = split === 'train';
    if (training) rounds++;
    const epoch = Math.max(0, rounds - 1);
    const numbers = Object.entries(object).flatMap(([name, value]) => {
      const key = name.slice(split.length + 1);
      return name.startsWith(`${split}_`) && !/^best_/.test(key) ? [[key, Number(value)] as const] : [];
    });
    const place = { epoch, iteration: rounds, time: Number.NaN };
    const kind = training ? 'epoch' : 'evaluation';
    const label = split === 'test' ? 'best' : epoch;
    return [{ kind, ...place, ...(!training && { split, label }), ...Object.fromEntries(numbers) }];
  });
}

/** Undefined where the file is missing or half written. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
