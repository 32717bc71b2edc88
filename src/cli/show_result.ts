import { readWorld } from '../common/world.js';
import type { RunResult } from '../runs/index.js';

/** Prints a run's scores, a small table for each split, and writes its report. Of several workers the first does it. */
export async function showResult({ folder, scores }: RunResult): Promise<void> {
  if (readWorld().rank > 0) return;
  for (const [split, metrics] of Object.entries(scores)) {
    console.log(`${split}:`);
    for (const [name, value] of Object.entries(metrics)) {
      console.log(`  ${name.padEnd(12)} ${value.toFixed(4)}`);
    }
  }
  const { reportAtEnd } = await import('../reports/index.js');
  await reportAtEnd(folder);
}
