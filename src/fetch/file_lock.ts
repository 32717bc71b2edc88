import { randomUUID } from 'node:crypto';
import { open, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { folderFault, isAlive, makeFolder } from '../common/files.js';

export interface FileLockOptions {
  /** Called once when somebody else holds the lock. */
  onWait?: (holder: string) => void;
  /** Milliseconds between two looks at a lock that is held. */
  pollMs?: number;
  /** A lock untouched for so long is broken whoever holds it; holders touch theirs six times as often. */
  staleMs?: number;
}

interface Holder {
  token: string;
  pid: number;
  host: string;
}

/**
 * Runs `work` while no other process that asks for the same lock file does, on this machine or another
 * that shares the folder. The lock of a dead process is broken. Ours, where proper-lockfile would be at hand: that waits
 * for a dead holder's lock to grow old, and cannot say who holds one.
 */
export async function withFileLock<T>(
  lockPath: string,
  work: () => Promise<T>,
  { onWait, pollMs = 250, staleMs = 120_000 }: FileLockOptions = {},
): Promise<T> {
  makeFolder(dirname(lockPath));
  const mine: Holder = { token: randomUUID(), pid: process.pid, host: hostname() };
  const content = JSON.stringify(mine);
  let told = false;
  while (!(await tryCreate(lockPath, content))) {
    const holder = await readHolder(lockPath);
    if (await isStale(lockPath, holder, staleMs)) {
      await breakLock(lockPath, holder, staleMs);
      continue;
    }
    if (!told && onWait) onWait(holder ? `process ${holder.pid} on ${holder.host}` : 'another process');
    told = true;
    await sleep(pollMs);
  }
  const heartbeat = setInterval(() => {
    // Written, not given a time of this machine: whoever judges its age compares times of the file system.
    touch(lockPath, mine.token, content).catch(() => {});
  }, staleMs / 6);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    // A lock that somebody broke meanwhile is theirs.
    if ((await readHolder(lockPath))?.token === mine.token) await unlink(lockPath).catch(() => {});
  }
}

async function tryCreate(path: string, content: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(content);
    } finally {
      await handle.close();
    }
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw folderFault(dirname(path), thrown);
  }
}

/** Writes a lock's content again, where it is still ours. */
async function touch(path: string, token: string, content: string): Promise<void> {
  if ((await readHolder(path))?.token !== token) return;
  const handle = await open(path, 'r+');
  try {
    await handle.write(content, 0);
  } finally {
    await handle.close();
  }
}

/**
 * Milliseconds since a file was written, by the clock of the file system that it lies on, which may be another
 * machine's: the time is that of a file written now. undefined where it is not there, or nothing can be written.
 */
async function ageOf(path: string): Promise<number | undefined> {
  const probe = `${path}.${randomUUID()}.now`;
  try {
    await writeFile(probe, '');
    const [now, then] = await Promise.all([stat(probe), stat(path)]);
    return now.mtimeMs - then.mtimeMs;
  } catch {
    return undefined;
  } finally {
    await unlink(probe).catch(() => {});
  }
}

/** undefined where there is none, or where it is only just being written. */
async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

async function isStale(path: string, holder: Holder | undefined, staleMs: number): Promise<boolean> {
  if (holder?.host === hostname() && !isAlive(holder.pid)) return true;
  const age = await ageOf(path);
  return age !== undefined && age > staleMs;
}

/** Removes a stale lock, one process at a time, and only if it is still the one that was looked at. */
async function breakLock(path: string, stale: Holder | undefined, staleMs: number): Promise<void> {
  const guard = `${path}.break`;
  if (!(await tryCreate(guard, ''))) {
    // Whoever breaks needs milliseconds: a guard that stays was left by a killed process.
    if (((await ageOf(guard)) ?? 0) > 10_000) await unlink(guard).catch(() => {});
    await sleep(20);
    return;
  }
  try {
    const now = await readHolder(path);
    if (now?.token === stale?.token && (await isStale(path, now, staleMs)))
      await unlink(path).catch(() => {});
  } finally {
    await unlink(guard).catch(() => {});
  }
}
