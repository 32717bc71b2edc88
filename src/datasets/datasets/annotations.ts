import { readFile } from 'node:fs/promises';
import { DataError, messageOf } from '../../common/errors.js';

/** One entry of an annotation file, and where it stands. */
export interface Annotation {
  values: Record<string, unknown>;
  file: string;
  /** Position in the file, from 0. */
  index: number;
  /** The line it begins on, from 1, where it has lines of its own. */
  line?: number;
}

/** Where an annotation stands, as messages say it. */
export const placeOf = ({ file, index, line }: Omit<Annotation, 'values'>): string =>
  line === undefined ? `${file}, entry ${index}` : `${file}:${line}`;

/**
 * The entries of JSON annotation files, one after the other: a list, or an object whose keys become
 * `sample_id`. A file named `.jsonl` has one object a line.
 * @throws DataError for a file that is no JSON or holds anything else.
 */
export async function readAnnotations(files: readonly string[]): Promise<Annotation[]> {
  const all: Annotation[] = [];
  for (const file of files) {
    const entries = await readEntries(file);
    for (const [index, values] of entries.entries()) {
      if (typeof values !== 'object' || values === null || Array.isArray(values)) {
        throw new DataError('an annotation is not an object', {
          where: `${file}, entry ${index}`,
          found: JSON.stringify(values)?.slice(0, 80),
          allowed: '{"image": "…", "caption": "…", …}',
        });
      }
      all.push({ values: values as Record<string, unknown>, file, index });
    }
  }
  return all;
}

async function readEntries(file: string): Promise<unknown[]> {
  const text = await readText(file);
  if (file.endsWith('.jsonl')) {
    const lines = text.split('\n');
    return lines.flatMap((line, i) => (line.trim() ? [parseJson(line, `${file}:${i + 1}`)] : []));
  }
  const root = parseJson(text, file);
  if (Array.isArray(root)) return root;
  if (typeof root === 'object' && root !== null) {
    return Object.entries(root).map(([key, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? { sample_id: key, ...value }
        : { sample_id: key, data: value },
    );
  }
  throw new DataError('an annotation file holds no list', {
    where: file,
    found: JSON.stringify(root).slice(0, 80),
    allowed: 'a JSON list with one object an entry',
  });
}

async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (cause) {
    throw new DataError('an annotation file cannot be read', { where: file, found: messageOf(cause), cause });
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError('an annotation file is not JSON', {
      where,
      found: text.trim() === '' ? 'an empty file' : messageOf(cause),
      help: 'fetch it again if it was cut short; other formats: the dataset custom_caption',
      cause,
    });
  }
}

/** A key that an annotation must have, of one of the types. @throws DataError naming entry and key. */
export function requireKey<T extends 'string' | 'number'>(
  annotation: Annotation,
  key: string,
  ...types: T[]
): T extends 'string' ? string : number {
  const value = annotation.values[key];
  if (!types.includes(typeof value as T)) {
    throw new DataError(
      value === undefined
        ? `an annotation lacks the key '${key}'`
        : `an annotation's '${key}' is of another type`,
      {
        where: `${annotation.file}, entry ${annotation.index}`,
        found: JSON.stringify(annotation.values).slice(0, 160),
        allowed: `"${key}": a ${types.join(' or a ')}`,
      },
    );
  }
  return value as T extends 'string' ? string : number;
}
