import { existsSync } from 'node:fs';
import { DataError } from '../../common/errors.js';
import type { Split } from '../types.js';
import type { AnnotationFile } from './build_info.js';

/**
 * Brings every file that is missing. A URL that is a local file is read in place.
 * @throws DataError, one for all: each URL, the path looked at, and the option that points elsewhere.
 */
export async function fetchAnnotations(dataset: string, files: Map<Split, AnnotationFile[]>): Promise<void> {
  const missing: { file: AnnotationFile; reason: string }[] = [];
  for (const list of files.values()) {
    for (const file of list) {
      if (existsSync(file.path)) continue;
      if (file.url && existsSync(file.url)) {
        file.path = file.url;
        continue;
      }
      missing.push({ file, reason: file.url ? 'not fetched' : 'no url is given' });
    }
  }
  if (missing.length === 0) return;
  throw new DataError(`the annotations of ${dataset} are not there`, {
    where: missing.map(({ file }) => file.path).join('\n'),
    found: missing.map(({ file, reason }) => [file.url, reason].filter(Boolean).join(': ')).join('\n'),
    help: missing.map(({ file }) => `--options ${file.option}`).join('\n'),
  });
}
