import { createHash } from 'node:crypto';
import { basename, isAbsolute } from 'node:path';
import type { Dataset, IterableDataset } from './types.js';

/**
 * What a dataset holds, in a few words that differ where its samples do, or their order. Where the files lie does
 * not count: data that was moved is the same.
 */
export function fingerprintOf(dataset: Dataset | IterableDataset): string {
  if ('iterable' in dataset)
    return `${dataset.samplesPerEpoch} samples, ${dataset.fingerprint?.() ?? 'a stream'}`;
  const hash = createHash('sha256');
  for (let i = 0; i < dataset.length; i++) {
    const record = dataset.job?.(i).record;
    if (!record) break; // nothing but its length is known
    hash.update(JSON.stringify({ ...record, source: undefined }, withoutFolder));
  }
  return `${dataset.length} samples, content ${hash.digest('hex').slice(0, 12)}`;
}

/** The words of a list of files. */
export function fingerprintOfFiles(paths: readonly string[], sizes: readonly number[]): string {
  const hash = createHash('sha256');
  for (const [i, path] of paths.entries()) hash.update(`${basename(path)} ${sizes[i]}\n`);
  return `${paths.length} files, content ${hash.digest('hex').slice(0, 12)}`;
}

const withoutFolder = (_key: string, value: unknown) =>
  typeof value === 'string' && isAbsolute(value) ? basename(value) : value;
