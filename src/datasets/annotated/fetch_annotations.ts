import { existsSync } from 'node:fs';
import { LavisError, messageOf } from '../../common/errors.js';
import { ensureFile } from '../../fetch/index.js';
import type { Split } from '../types.js';
import type { AnnotationFile } from './build_info.js';

/** A file that a dataset needs and that is missing. */
export interface Missing {
  path: string;
  /** The URL and what went wrong, where there is one. */
  found: string;
  /** What to do. */
  help: string;
  cause?: unknown;
}

/**
 * Downloads the annotation files that are absent; a URL that is a local file is read in place.
 * @returns the files that are unavailable, so that one message can list them all.
 */
export async function fetchAnnotations(
  dataset: string,
  files: Map<Split, AnnotationFile[]>,
): Promise<Missing[]> {
  const missing: Missing[] = [];
  for (const [split, list] of files) {
    for (const file of list) {
      if (existsSync(file.path)) continue;
      if (file.url && existsSync(file.url)) {
        file.path = file.url;
        continue;
      }
      // One failed download is enough to tell; the rest would fail alike, after their own waits.
      const tried = missing.some(({ cause }) => cause !== undefined);
      const failure = tried ? {} : await download(`the ${split} annotations of ${dataset}`, file);
      if (failure === undefined) continue;
      missing.push({
        path: file.path,
        found: file.url ? `${file.url}: ${failure.reason ?? 'not tried'}` : 'no url is given',
        help: `--options ${file.option}`,
        cause: failure.cause,
      });
    }
  }
  return missing;
}

/** Undefined when the file is there afterwards. */
async function download(
  what: string,
  { url, path, md5, option }: AnnotationFile,
): Promise<{ reason?: string; cause?: unknown } | undefined> {
  if (!url) return {};
  try {
    await ensureFile({ url, path, md5, what, option: `--options ${option}` });
    return undefined;
  } catch (cause) {
    return { reason: reasonOf(cause), cause };
  }
}

/** The innermost message: what happened to the connection. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof LavisError)) return messageOf(thrown);
  return thrown.cause ? reasonOf(thrown.cause) : (thrown.details.found ?? thrown.headline);
}
