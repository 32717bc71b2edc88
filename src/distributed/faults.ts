import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Set by the launcher: where workers tell it what it cannot see from outside. */
export const FAULT_FOLDER = 'LAVIS_FAULT_FOLDER';
export const consequenceFile = (folder: string, rank: number) => join(folder, `${rank}.consequence`);

/** Tells the launcher that this rank fails because another one did. */
export function reportConsequence(rank: number): void {
  const folder = process.env[FAULT_FOLDER];
  if (!folder) return;
  try {
    writeFileSync(consequenceFile(folder, rank), '');
  } catch {
    // The launcher is gone, and with it the reader.
  }
}
