import type { Metrics } from '../tasks/index.js';

/** Scores of each split as a small table on standard output. */
export function printScores(scores: Record<string, Metrics>): void {
  for (const [split, metrics] of Object.entries(scores)) {
    console.log(`${split}:`);
    for (const [name, value] of Object.entries(metrics)) {
      console.log(`  ${name.padEnd(12)} ${value.toFixed(4)}`);
    }
  }
}
