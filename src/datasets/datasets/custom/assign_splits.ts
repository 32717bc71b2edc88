import { Rng } from '../../../common/random.js';
import type { Split } from '../../types.js';

/** The share of images that each split gets; they need not sum to one. */
export type SplitRatios = Readonly<Record<Split, number>>;

/**
 * Shares `images` out: a seeded order of their names is cut by the ratios, so that the order of the file
 * does not matter. A split with a ratio above 0 gets at least one image while there are enough.
 */
export function assignSplits(
  images: readonly string[],
  ratios: SplitRatios,
  seed: number,
): Map<string, Split> {
  const sorted = [...images].sort();
  const order = [...Rng.of(seed, 'splits').permutation(sorted.length)].map((i) => sorted[i]);
  const wanted = Object.entries(ratios).filter(([, ratio]) => ratio > 0);
  const counts = shareOut(
    order.length,
    wanted.map(([, ratio]) => ratio),
  );
  let next = 0;
  const assigned = new Map<string, Split>();
  wanted.forEach(([split], i) => {
    for (let k = 0; k < counts[i]; k++) assigned.set(order[next++], split);
  });
  return assigned;
}

/** Whole shares of `total`, by largest remainder; an empty one takes from the largest. */
function shareOut(total: number, ratios: number[]): number[] {
  const sum = ratios.reduce((a, b) => a + b, 0);
  const exact = ratios.map((ratio) => (total * ratio) / sum);
  const counts = exact.map(Math.floor);
  const byRemainder = exact.map((value, i) => [value - counts[i], i]).sort((a, b) => b[0] - a[0]);
  const left = total - counts.reduce((a, b) => a + b, 0);
  for (const [, i] of byRemainder.slice(0, left)) counts[i]++;
  if (total >= ratios.length) {
    for (let empty = counts.indexOf(0); empty >= 0; empty = counts.indexOf(0)) {
      counts[counts.indexOf(Math.max(...counts))]--;
      counts[empty]++;
    }
  }
  return counts;
}
