import { messageOf } from '../common/errors.js';
import { log } from '../common/logging.js';
import { timedProgress } from '../common/progress.js';
import {
  HEIC_HELP,
  hasHeic,
  imageBytes,
  imagesOf,
  inWords,
  type LeftOut,
  STDIN,
} from '../processors/index.js';
import { STDIN_ARGUMENT, UsageError } from './command.js';

/** The positional and the options of every command that takes images. */
export const imagePositionals = {
  images: {
    type: 'string',
    array: true,
    demandOption: true,
    describe: 'Files, folders, globs or URLs; - is standard input',
  },
} as const;

export const imageOptions = {
  'batch-size': { type: 'number', default: 8, requiresArg: true, describe: 'Images at a time' },
  recursive: {
    type: 'boolean',
    default: true,
    describe: 'Take what is in the folders of a folder too; --recursive=false does not',
  },
} as const;

/** For the help of such a command. */
export const PASSED_OVER = 'An image that cannot be read is told and passed over; the exit code is 1 then.';

/** The arguments as sources: `-` is standard input. @throws UsageError where that is a terminal */
export function sourcesOf(images: readonly string[], command: string): string[] {
  const named = images.map((source) => (source === STDIN_ARGUMENT ? STDIN : source));
  if (!named.includes(STDIN) || !process.stdin.isTTY) return named;
  throw new UsageError(`- reads an image from standard input, which is a terminal: ${command} - < photo.jpg`);
}

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

/** Some images of a command line, at hand. */
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
