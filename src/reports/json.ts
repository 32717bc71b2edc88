import { readFile } from 'node:fs/promises';

/** Undefined where the file is missing or half written. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
