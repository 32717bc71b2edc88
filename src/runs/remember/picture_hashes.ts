import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { mapConcurrently } from '../../common/concurrently.js';
import { JsonLines } from '../../common/json_lines.js';
import { fileSystemPath } from '../../common/paths.js';
import { timedProgress } from '../../common/progress.js';
import { storeFolder } from './store.js';

/** A file as it was when it was read. */
interface Seen {
  path: string;
  size: number;
  mtime: number;
  hash: string;
}

/** Files between two notes of what was read. */
const NOTED_AT_ONCE = 200;

/**
 * A hash of what is in each file: a picture that was moved or copied is known again. One whose size and time are as
 * they were is not read again. To be called within `withStore`.
 * @returns by path; files that cannot be read are left out
 */
export async function hashPictures(paths: readonly string[]): Promise<Map<string, string>> {
  const journal = new JsonLines(join(storeFolder(), 'pictures.jsonl'));
  const known = new Map<string, Seen>();
  for (const line of (await journal.read()) as (Seen | undefined)[]) if (line) known.set(line.path, line);
  const progress = timedProgress('Looking at images', paths.length, 'image');
  const hashes = new Map<string, string>();
  for (let start = 0; start < paths.length; start += NOTED_AT_ONCE) {
    const some = paths.slice(start, start + NOTED_AT_ONCE);
    const seen = await mapConcurrently(some, 8, (path) => look(path, known.get(path)));
    for (const one of seen) if (one) hashes.set(one.path, one.hash);
    const fresh = seen.filter((one) => one !== undefined && one !== known.get(one.path)) as Seen[];
    for (const one of fresh) known.set(one.path, one);
    await journal.append(fresh);
    progress(Math.min(paths.length, start + NOTED_AT_ONCE));
  }
  if (journal.count > 2 * known.size + 1000) await journal.rewrite([...known.values()]);
  return hashes;
}

async function look(path: string, known: Seen | undefined): Promise<Seen | undefined> {
  try {
    const file = fileSystemPath(path);
    const { size, mtimeMs: mtime } = await stat(file);
    if (known?.size === size && known.mtime === mtime) return known;
    const hash = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
      .slice(0, 32);
    return { path, size, mtime, hash };
  } catch {
    return undefined;
  }
}
