import { messageOf } from '../common/errors.js';
import { log } from '../common/logging.js';
import { timedProgress } from '../common/progress.js';
import { HEIC_HELP, hasHeic, imageBytes, imagesOf, inWords, type LeftOut } from '../processors/index.js';

/** The images that sources stand for; what was left out in folders is told. @param own endings that are no news */
export async function findImages(
  sources: readonly string[],
  { recursive, own = [] }: { recursive: boolean; own?: readonly string[] },
): Promise<string[]> {
  const leftOut: LeftOut = new Map();
  const found = await imagesOf(sources, { recursive, leftOut });
  for (const ending of own) leftOut.delete(ending);
  if (leftOut.size > 0) {
    log.info(`Left out: ${inWords(leftOut)}${hasHeic(leftOut) ? `; ${HEIC_HELP}` : ''}`);
  }
  return found;
}

/** Some images, at hand. */
export interface FetchedImages {
  names: readonly string[];
  /** A path, or the bytes of what is no file; as many as there are names. */
  sources: readonly (string | Uint8Array)[];
  /** Tells of an image that cannot be read, and counts it. */
  passOver(reason: unknown, index: number): void;
}

/**
 * Fetches images some at a time and hands them on.
 * @param title of the progress that is shown, if any
 * @returns how many could not be had or read
 */
export async function inBatches(
  images: readonly string[],
  { size, title }: { size: number; title?: string },
  work: (fetched: FetchedImages) => Promise<unknown>,
): Promise<number> {
  const most = Math.max(1, size);
  const batches = Math.ceil(images.length / most);
  const progress = title === undefined ? undefined : timedProgress(title, batches);
  let failures = 0;
  const tell = (name: string, reason: unknown) => {
    failures++;
    log.warn(`${name} is passed over: ${messageOf(reason)}`);
  };
  for (let i = 0; i < batches; i++) {
    const some = images.slice(i * most, (i + 1) * most);
    const results = await Promise.allSettled(some.map(imageBytes));
    const names: string[] = [];
    const sources: (string | Uint8Array)[] = [];
    for (const [k, result] of results.entries()) {
      if (result.status === 'rejected') tell(some[k], result.reason);
      else {
        names.push(some[k]);
        sources.push(result.value);
      }
    }
    await work({ names, sources, passOver: (reason, index) => tell(names[index], reason) });
    progress?.(i + 1);
  }
  return failures;
}
