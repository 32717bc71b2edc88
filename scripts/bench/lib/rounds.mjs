import { median } from './statistics.mjs';

/**
 * Lets contestants take turns, A B A B, so that a machine whose speed drifts is fair to all.
 * @param contestants by name: functions that do the work once and tell { seconds, peakGb, … }
 * @returns a row for each
 */
export async function inTurns(contestants, { rounds, work, progress }) {
  const runs = new Map(Object.keys(contestants).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, list] of runs) {
      const result = await contestants[name]();
      list.push(result);
      progress(`${work}, round ${round + 1} of ${rounds}, ${name}: ${duration(result.seconds)}`);
    }
  }
  return rowsOf(work, runs);
}

/**
 * @param runs by name: what each round found
 * @returns a row for each name: medians over the rounds, and how many times as long as the first name's it
 * took, by the rounds' own ratios
 */
export function rowsOf(work, runs) {
  const [firsts] = runs.values();
  return [...runs].map(([name, list]) => rowOf(work, name, list, firsts));
}

function rowOf(work, who, runs, firsts) {
  const over = (key) => {
    const values = runs.map((run) => run[key]).filter((value) => value !== undefined);
    return values.length > 0 ? median(values) : undefined;
  };
  const ratios = runs.map(({ seconds }, i) => seconds / firsts[i].seconds);
  return {
    work,
    who,
    seconds: over('seconds'),
    ratio: median(ratios),
    ratioRange: [Math.min(...ratios), Math.max(...ratios)],
    gflops: over('gflops'),
    productGflops: over('productGflops'),
    share: over('share'),
    peakGb: Math.max(...runs.map(({ peakGb }) => peakGb ?? 0)) || undefined,
    note: runs.at(-1).note,
    runs,
  };
}

export const duration = (seconds) =>
  seconds < 0.1 ? `${(1000 * seconds).toFixed(2)} ms` : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
