import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { ConfigError, DataError, explainSystemError } from './errors.js';
import { cacheRoot } from './paths.js';

/**
 * Writes a whole file or nothing: aside in the same folder, synced, renamed over `path`, the folder synced.
 * Readers see the old file or the new one, also after a kill or a power cut. Missing folders are made. Ours, where
 * write-file-atomic would be at hand: that takes the whole content at once, where checkpoints are gigabytes that are made
 * piece by piece, and leaves what a killed process left aside.
 * @throws DataError when the folder cannot be written or the disk is full; the older file is untouched.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  try {
    await writeAside(path, (handle) => handle.writeFile(data));
  } catch (thrown) {
    throw new DataError(`cannot write ${path}`, {
      found: explainWriteFailure(thrown),
      help: 'the file that was there before, if any, is unchanged',
      cause: thrown,
    });
  }
}

/** As writeFileAtomic, for content that `fill` writes piece by piece; what goes wrong is thrown as it is. */
export async function writeAside(path: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> {
  const target = resolve(path);
  const folder = dirname(target);
  await mkdir(folder, { recursive: true });
  await removeAbandoned(target);
  const aside = join(folder, asideName(basename(target)));
  const handle = await open(aside, 'wx');
  try {
    try {
      await fill(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, target);
  } catch (thrown) {
    await unlink(aside).catch(() => {});
    throw thrown;
  }
  await syncFolder(folder);
}

/**
 * Makes a folder and those above it, or says what chooses where it lies.
 * @param setting as a user changes it; for folders of the cache and temporary ones it is known
 * @returns the first folder that was made; undefined where all were there
 * @throws ConfigError
 */
export function makeFolder(path: string, setting?: string): string | undefined {
  try {
    return mkdirSync(path, { recursive: true });
  } catch (thrown) {
    throw folderFault(path, thrown, setting);
  }
}

/** A folder with a name of its own inside another, which is made too. @throws ConfigError */
export function makeFolderInside(parent: string, prefix: string, setting?: string): string {
  makeFolder(parent, setting);
  try {
    return mkdtempSync(join(parent, prefix));
  } catch (thrown) {
    throw folderFault(parent, thrown, setting);
  }
}

/** Says that a folder cannot be written, and what chooses where it lies. @param setting as `makeFolder` */
export function folderFault(path: string, cause: unknown, setting = settingOf(path)): ConfigError {
  const found = explainSystemError(cause);
  return new ConfigError(`the folder ${path} cannot be written`, {
    where: path,
    found,
    help: setting,
    cause,
  });
}

function settingOf(path: string): string | undefined {
  const isInside = (folder: string) => `${resolve(path)}/`.startsWith(`${folder}/`);
  if (isInside(cacheRoot()))
    return 'the environment variable LAVIS_CACHE_ROOT=FOLDER, or env.cache_root of the YAML';
  return isInside(tmpdir()) ? 'the environment variable TMPDIR=FOLDER' : undefined;
}

/** What a failed write means, for people. */
export function explainWriteFailure(thrown: unknown): string {
  const found = explainSystemError(thrown);
  return /no permission|read-only/.test(found) ? 'no permission to write there' : found;
}

/** Makes a rename in `folder` last through a power cut; not every system can, and none needs it to go on. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, '_') || 'host';

const asideName = (name: string) => `.${name}.${host}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;

/** Removes what killed processes of this machine left aside for the same target. */
async function removeAbandoned(target: string): Promise<void> {
  const prefix = `.${basename(target)}.${host}.`;
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(prefix) || !name.endsWith('.tmp')) continue;
    const pid = Number(name.slice(prefix.length).split('.')[0]);
    if (Number.isInteger(pid) && !isAlive(pid)) await unlink(join(dirname(target), name)).catch(() => {});
  }
}

/** Whether a process of this machine runs; one that belongs to somebody else does. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
