import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Set by the launcher: where workers tell it what it cannot see from outside. */
export const FAULT_FOLDER = 'LAVIS_FAULT_FOLDER';
const consequenceFile = (folder: string, rank: number) => join(folder, `${rank}.consequence`);
const faultFile = (folder: string, rank: number | string) => join(folder, `${rank}.fault`);

/** What a worker left to its launcher. */
export interface Fault {
  /** Its error, as it would have printed it. */
  text?: string;
  /** It failed because another rank did. */
  consequence: boolean;
}

/** Tells the launcher that this rank fails because another one did. */
export function reportConsequence(rank: number): void {
  const folder = process.env[FAULT_FOLDER];
  if (folder) leave(consequenceFile(folder, rank), '');
}

/**
 * Leaves this worker's error to its launcher, which prints one for all ranks.
 * @returns false where there is no launcher of ours: print it here
 */
export function leaveToLauncher(text: string): boolean {
  const { [FAULT_FOLDER]: folder, RANK: rank } = process.env;
  return folder !== undefined && rank !== undefined && leave(faultFile(folder, rank), text);
}

/** What a rank left in the launcher's folder. */
export function faultOf(folder: string, rank: number): Fault {
  const file = faultFile(folder, rank);
  return {
    text: existsSync(file) ? readFileSync(file, 'utf8') : undefined,
    consequence: existsSync(consequenceFile(folder, rank)),
  };
}

/** @returns false where the launcher is gone, and with it the reader */
function leave(file: string, text: string): boolean {
  try {
    writeFileSync(file, text);
    return true;
  } catch {
    return false;
  }
}
