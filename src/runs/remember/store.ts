import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../common/files.js';
import { log } from '../../common/logging.js';
import { cacheRoot } from '../../common/paths.js';
import { counted, formatBytes } from '../../common/words.js';
import { withFileLock } from '../../fetch/index.js';

/** Where the embeddings of all runs are kept: a folder for each image encoder with each processor. */
export const storeFolder = (): string => join(cacheRoot(), 'image_embeds');

/** Runs `work` while no other process fills the store or clears it. */
export const withStore = <T>(work: () => Promise<T>): Promise<T> =>
  withFileLock(join(storeFolder(), 'lock'), work, {
    onWait: (holder) => log.info(`waiting for ${holder}, which is at the remembered images`),
  });

/** What a folder's embeddings are of, for people. */
export interface About {
  /** The encoder: the model's class and its part. */
  encoder: string;
  /** Datasets and splits of the last run that used it. */
  datasets: string[];
  /** When that was, ISO 8601. */
  used: string;
}

/** A folder of the store. */
export interface KeptSet extends Partial<About> {
  folder: string;
  /** Views of images. */
  files: number;
  bytes: number;
}

const ABOUT = 'about.json';

export const noteUse = (folder: string, about: About): Promise<void> =>
  writeFileAtomic(join(folder, ABOUT), `${JSON.stringify(about)}\n`);

/** What is kept, the last used first. */
export async function keptSets(): Promise<KeptSet[]> {
  const entries = await readdir(storeFolder(), { withFileTypes: true }).catch(() => []);
  const sets: KeptSet[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const folder = join(storeFolder(), entry.name);
    sets.push({ ...(await aboutOf(folder)), folder, ...(await sizeOf(folder)) });
  }
  return sets.sort((a, b) => ((a.used ?? '') > (b.used ?? '') ? -1 : 1));
}

/** A line for people. */
export function describeKept({
  folder,
  encoder = 'of unknown origin',
  datasets = [],
  used,
  files,
  bytes,
}: KeptSet) {
  const last = used ? `, last used ${used.slice(0, 10)}` : '';
  return `${folder}\n  ${encoder}: ${counted(files, 'view')} of images, ${formatBytes(bytes)}${last}${datasets.map((name) => `\n  ${name}`).join('')}`;
}

/** Bytes that all of it takes. */
export const keptBytes = async (): Promise<number> => (await sizeOf(storeFolder())).bytes;

/** Removes all of it; a run that is training with it stops, and can be resumed. @returns how much it was */
export async function clearStore(): Promise<KeptSet[]> {
  const sets = await keptSets();
  if (sets.length === 0) return [];
  await withStore(async () => {
    for (const { folder } of sets) await rm(folder, { recursive: true, force: true });
  });
  return sets;
}

async function aboutOf(folder: string): Promise<Partial<About>> {
  try {
    return JSON.parse(await readFile(join(folder, ABOUT), 'utf8')) as About;
  } catch {
    return {};
  }
}

async function sizeOf(folder: string): Promise<{ files: number; bytes: number }> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let [files, bytes] = [0, 0];
  for (const entry of found) {
    if (!entry.isFile() || !entry.name.endsWith('.safetensors')) continue;
    files++;
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return { files, bytes };
}
