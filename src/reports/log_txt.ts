import { readFile } from 'node:fs/promises';
import { isPlainObject, type PlainObject } from '../config/index.js';
import type { MetricsLine } from '../runners/index.js';

/** What LAVIS's log.txt holds: the configuration, then an object for each epoch and evaluation. */
export interface Log {
  config: PlainObject;
  stats: PlainObject[];
}

export async function readLog(path: string): Promise<Log> {
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
export function linesOfLog(stats: readonly PlainObject[]): MetricsLine[] {
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
