import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { imagesBelow } from '../processors/index.js';

/**
 * The images that come into folders, those already there first, each once and when it is whole: when its size
 * is the same as a moment before. Looks again and again, as that works on network folders too.
 */
export async function* newImages(
  folders: readonly string[],
  seen: Set<string>,
  signal: AbortSignal,
  { intervalMs = 500, recursive = true }: { intervalMs?: number; recursive?: boolean } = {},
): AsyncGenerator<string[]> {
  const sizes = new Map<string, number>();
  while (!signal.aborted) {
    const whole: string[] = [];
    for (const path of (
      await Promise.all(folders.map((folder) => imagesBelow(folder, { recursive }).catch(() => [])))
    ).flat()) {
      if (seen.has(path)) continue;
      const size = (await stat(path).catch(() => undefined))?.size ?? 0;
      if (size > 0 && sizes.get(path) === size) {
        whole.push(path);
        seen.add(path);
        sizes.delete(path);
      } else sizes.set(path, size);
    }
    if (whole.length > 0) yield whole;
    await sleep(intervalMs, undefined, { signal }).catch(() => {});
  }
}
