import { existsSync } from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { basename } from 'node:path';
import { DataError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { cacheRoot } from '../common/paths.js';
import { formatBytes } from '../common/words.js';
import { unpackArchive } from './archive.js';
import { type DownloadOptions, ensureFile, remoteSize } from './download.js';
import { withFileLock } from './file_lock.js';

export interface FetchOptions extends DownloadOptions {
  /** Tell the sizes and fetch nothing. */
  dryRun?: boolean;
  /** Keep archives after they are unpacked. */
  keepArchives?: boolean;
}

/**
 * Fetches what is absent, sizes told first, archives unpacked.
 * @throws DataError when something cannot be had, or the disk has no room for it.
 */
export async function fetchItems(items: readonly DownloadItem[], options: FetchOptions = {}): Promise<void> {
  for (const item of items.filter(isPresent)) log.info(`${placeOf(item)} is there`);
  const wanted = items.filter((item) => !isPresent(item));
  if (wanted.length === 0) return;
  await tellSizes(wanted, options);
  if (options.dryRun) return;
  for (const item of wanted) {
    await ensureFile({ ...options, ...item });
    if (item.unpack) await unpack(item, options.keepArchives === true);
    log.info(`${placeOf(item)} is there`);
  }
}

async function tellSizes(items: readonly DownloadItem[], options: DownloadOptions): Promise<void> {
  let total = 0;
  let largestArchive = 0;
  let unknown = 0;
  for (const item of items) {
    // A whole archive that was not unpacked yet needs its own size once more.
    const size = existsSync(item.path) ? 0 : await downloadSize(item, options);
    const told = size === undefined ? 'unknown' : formatBytes(size);
    log.info(`  ${told.padStart(10)}  ${item.what}: ${item.url}`);
    total += size ?? 0;
    if (size === undefined) unknown++;
    if (item.unpack) largestArchive = Math.max(largestArchive, size ?? 0);
  }
  const free = await freeSpace();
  const more = unknown ? `, and ${unknown} of unknown size` : '';
  log.info(`${formatBytes(total)} in all${more}, to ${cacheRoot()}, where ${formatBytes(free)} are free`);
  // Photos do not get smaller in an archive: each needs its room twice while it is unpacked.
  const needed = total + largestArchive;
  if (needed > free) {
    throw new DataError('the disk has no room for the download', {
      where: cacheRoot(),
      found: `${formatBytes(free)} free, ${formatBytes(needed)} needed while archives are unpacked`,
      help: 'LAVIS_CACHE_ROOT=FOLDER names a folder on another disk',
    });
  }
}

async function downloadSize(item: DownloadItem, options: DownloadOptions): Promise<number | undefined> {
  try {
    return await remoteSize(item.url, options);
  } catch (thrown) {
    if (!(thrown instanceof DataError)) throw thrown;
    throw new DataError(`${item.what} cannot be had`, {
      where: `looked at ${placeOf(item)}`,
      found: `not there; ${item.url}: ${thrown.details.found}`,
      help: `put it there, or point elsewhere: ${item.option}`,
      cause: thrown,
    });
  }
}

async function freeSpace(): Promise<number> {
  const stats = await statfs(cacheRoot()).catch(() => undefined);
  return stats ? stats.bavail * stats.bsize : Number.POSITIVE_INFINITY;
}

async function unpack(item: DownloadItem, keep: boolean): Promise<void> {
  const { folder, pick, done, present } = item.unpack!;
  await withFileLock(`${folder}.lock`, async () => {
    if (present()) return;
    log.info(`unpacking ${item.path} to ${folder}`);
    if (!existsSync(folder)) {
      let told = 0;
      const { files, bytes } = await unpackArchive(item.path, folder, {
        pick,
        progress: (count) => {
          if (count - told < 10_000) return;
          told = count;
          log.info(`${basename(folder)}: ${count} files`);
        },
      });
      log.info(`${basename(folder)}: ${files} files, ${formatBytes(bytes)}`);
    }
    await done?.(folder);
    if (!keep) await rm(item.path, { force: true });
  });
}

/** One file to fetch. */
export interface DownloadItem {
  what: string;
  url: string;
  path: string;
  md5?: string;
  sha256?: string;
  /** The option that points elsewhere. */
  option: string;
  /** An archive: unpacked, and then removed. */
  unpack?: {
    folder: string;
    pick?: (name: string) => string | undefined;
    /** Called with the folder when it is whole. */
    done?: (folder: string) => Promise<void>;
    /** Whether what was in it is where it belongs. */
    present: () => boolean;
  };
}

const isPresent = (item: DownloadItem) => item.unpack?.present() ?? existsSync(item.path);

/** Where most of an item ends up; for messages. */
export const placeOf = (item: DownloadItem) => item.unpack?.folder ?? item.path;
