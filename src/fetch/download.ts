import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, DataError } from '../common/errors.js';
import { explainWriteFailure, makeFolder, syncFolder } from '../common/files.js';
import { log } from '../common/logging.js';
import { cachePath } from '../common/paths.js';
import { downloadProgress } from '../common/progress.js';
import { withFileLock } from './file_lock.js';
import { follow, Transfer, TransferError } from './transfer.js';

export interface DownloadOptions {
  /** What the whole file must give, in hex. */
  md5?: string;
  sha256?: string;
  progress?: (received: number, total: number | undefined) => void;
  /** Attempts in a row that bring nothing new before it is given up; 5. */
  attempts?: number;
  /** Milliseconds before the second attempt, doubled for each further one; 1000. */
  backoffMs?: number;
  /** Milliseconds of silence after which a connection counts as dead; 30,000. */
  stallMs?: number;
}

/**
 * Downloads a file, unless `path` is there already. What came before is kept and only the rest is asked
 * for; `path` appears when the file is whole and its checksum right. Processes that ask for the same path
 * wait for the first. HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured.
 * @throws DataError naming the URL and what went wrong.
 */
export async function downloadFile(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new DataError(`'${url}' is not an address to download from`, { allowed: 'http:// or https://' });
  }
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  const onWait = (holder: string) => log.info(`${holder} is downloading ${path}; waiting for it`);
  try {
    await withFileLock(`${path}.lock`, () => fetchWhole(url, path, options), { onWait });
  } catch (thrown) {
    const cause = thrown instanceof ConfigError ? thrown.cause : thrown; // of the lock's folder
    if ((cause as NodeJS.ErrnoException | undefined)?.code === undefined) throw thrown;
    throw new DataError(`cannot write ${basename(path)}`, {
      where: path,
      found: explainWriteFailure(cause),
      help: 'free space, or another folder for all that is downloaded: LAVIS_CACHE_ROOT=FOLDER',
      cause,
    });
  }
}

async function fetchWhole(url: string, path: string, options: DownloadOptions): Promise<void> {
  if (existsSync(path)) return;
  const algorithm = options.sha256 ? 'sha256' : options.md5 ? 'md5' : undefined;
  let best = 0;
  let progressed = false;
  const progress = (received: number, total: number | undefined) => {
    if (received > best) {
      best = received;
      progressed = true;
    }
    options.progress?.(received, total);
  };
  const transfer = new Transfer(mirrored(url), path, options.stallMs ?? 30_000, algorithm, progress);
  for (let failures = 0, corrupt = 0; ; ) {
    try {
      progressed = false;
      await transfer.attempt();
      await verify(transfer, options);
      await transfer.settle();
      await rename(transfer.part, path);
      await syncFolder(dirname(path));
      return;
    } catch (thrown) {
      if (!(thrown instanceof TransferError)) throw thrown;
      if (thrown instanceof ChecksumError) {
        await transfer.discard();
        best = 0;
        if (++corrupt >= 2) throw failed(url, path, thrown, '; it was downloaded twice');
      }
      failures = progressed && !(thrown instanceof ChecksumError) ? 1 : failures + 1;
      // Without a network there is nothing to wait for: a second try is enough.
      const limit = thrown.kind === 'unreachable' ? 2 : (options.attempts ?? 5);
      if (thrown.kind === 'final') throw failed(url, path, thrown);
      if (failures >= limit) throw failed(url, path, thrown, `; given up after ${failures} attempts`);
      const wait = Math.max(thrown.waitMs, (options.backoffMs ?? 1000) * 2 ** (failures - 1));
      log.debug(`${url}: ${thrown.message}; trying again in ${wait} ms`);
      await sleep(Math.min(wait, 60_000) * (0.75 + Math.random() / 2));
    }
  }
}

class ChecksumError extends TransferError {}

async function verify(transfer: Transfer, { md5, sha256 }: DownloadOptions): Promise<void> {
  const expected = (sha256 ?? md5)?.toLowerCase();
  if (!expected) return;
  const found = await transfer.checksum();
  if (found === expected) return;
  throw new ChecksumError(`the ${sha256 ? 'sha256' : 'md5'} sum is ${found}, not ${expected}`, 'retry');
}

function failed(url: string, path: string, error: TransferError, more = ''): DataError {
  return new DataError(`cannot download ${basename(path)}`, {
    where: url,
    found: error.message + more,
    cause: error,
  });
}

/**
 * The address that a file is really asked for at: under LAVIS_MIRROR, where that is set, by host and path:
 * http://images.cocodataset.org/zips/x.zip becomes MIRROR/images.cocodataset.org/zips/x.zip.
 */
export function mirrored(url: string): string {
  const mirror = process.env.LAVIS_MIRROR;
  return mirror && URL.canParse(url)
    ? `${mirror.replace(/\/+$/, '')}/${url.replace(/^https?:\/\//, '')}`
    : url;
}

/**
 * How large a file on the net is; undefined where its server does not say.
 * @throws DataError when there is no way to the server.
 */
export async function remoteSize(
  url: string,
  { stallMs = 15_000 }: DownloadOptions = {},
): Promise<number | undefined> {
  try {
    const headers = { 'accept-encoding': 'identity' };
    const response = await follow(mirrored(url), { headers, method: 'HEAD', stallMs });
    response.destroy();
    const length = Number(response.headers['content-length']);
    return response.statusCode === 200 && Number.isSafeInteger(length) ? length : undefined;
  } catch (thrown) {
    if (!(thrown instanceof TransferError) || thrown.kind !== 'unreachable') return undefined;
    throw failed(url, basename(new URL(url).pathname), thrown);
  }
}

export interface EnsureOptions extends DownloadOptions {
  url: string;
  path: string;
  /** For messages: "the vocabulary", "the weights". */
  what: string;
  /** What points elsewhere: "model.tokenizer=FILE". */
  option: string;
}

/**
 * A file's path: as it is where it is there, else downloaded first, with its progress told.
 * @throws DataError naming the URL, the cache path and the option that points elsewhere.
 */
export async function ensureFile({ url, path, what, option, ...options }: EnsureOptions): Promise<string> {
  if (existsSync(path)) return path;
  log.info(`downloading ${what}: ${url}`);
  const progress = options.progress ?? downloadProgress(basename(path));
  try {
    await downloadFile(url, path, { ...options, progress });
  } catch (thrown) {
    if (!(thrown instanceof DataError)) throw thrown;
    throw new DataError(`${what} cannot be had`, {
      where: `looked at ${path}`,
      found: `not there; ${url}: ${thrown.details.found ?? thrown.headline}`,
      help: `put the file there, or point elsewhere: ${option}`,
      cause: thrown,
    });
  }
  return path;
}

/** Names that each run, or each model of a library, gives to its weights. */
const COMMON_NAME =
  /^(checkpoint|model|pytorch_model|best|last|latest|final|weights|epoch)([-_=.]?\w+)?\.(pth|pt|bin|ckpt|safetensors)$/i;
/** LAVIS's own files that look like such names; they lie where everybody puts them by hand. */
const PUBLISHED = /^model_(base|large)/;

/** Where the weights at a URL lie once they are downloaded: by their name, in a folder of the URL's where it is a common one. */
export function weightsCachePath(url: string): string {
  const name = basename(new URL(url).pathname);
  if (!COMMON_NAME.test(name) || PUBLISHED.test(name)) return cachePath(`checkpoints/${name}`);
  const folder = createHash('sha256').update(url).digest('hex').slice(0, 12);
  return cachePath(`checkpoints/${folder}/${name}`);
}
