import { extname, posix } from 'node:path';
import { DataError } from '../../common/errors.js';
import { readText } from '../../common/text_file.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import type { Split } from '../types.js';
import { type CaptionedImage, splitName } from './assign_splits.js';
import { isNothing, listInCell } from './cell_text.js';
import { type Columns, findColumns, type TableKeys } from './columns.js';
import { readJsonEntries, STEM } from './json_entries.js';
import { readTable } from './table_file.js';

/** The images of some files, and what there is to tell about how they were read. */
export interface CaptionTables {
  images: CaptionedImage[];
  notes: string[];
}

export const TABLES = ['.csv', '.tsv', '.tab', '.psv', '.txt', '.token'];
export const JSONS = ['.json', '.jsonl', '.ndjson'];

/**
 * The captioned images of files, in the order of their first entries: tables (see readTable) and JSON
 * (see readJsonEntries). A cell, or a value, may hold a list of captions.
 * @throws DataError naming file and line or entry; entries without image or caption are told all at once, and
 *   so are images that stand in two splits.
 */
export async function readCaptionTables(files: readonly string[], keys: TableKeys): Promise<CaptionTables> {
  const images = new Map<string, CaptionedImage>();
  const notes: string[] = [];
  const torn = new Map<string, Set<Split>>();
  for (const file of files) {
    const entries = await readEntries(file, keys, (text) => notes.push(text));
    if (entries.length === 0) continue;
    const columns = findColumns(namesOf(entries), keys, entries[0].values, file);
    const faults = new Faults();
    for (const entry of entries) {
      const one = captionedImage(entry, columns, faults);
      if (!one) continue;
      const known = images.get(one.image);
      if (!known) images.set(one.image, one);
      else {
        known.captions.push(...one.captions);
        known.split ??= one.split;
        if (one.split === undefined || one.split === known.split) continue;
        torn.set(one.image, (torn.get(one.image) ?? new Set([known.split!])).add(one.split));
      }
    }
    faults.refuse(file, entries.length);
  }
  refuseTorn(torn, files);
  return { images: [...images.values()], notes };
}

async function readEntries(
  file: string,
  keys: TableKeys,
  note: (text: string) => void,
): Promise<Annotation[]> {
  const extension = extname(file).toLowerCase();
  if (![...TABLES, ...JSONS].includes(extension)) {
    throw new DataError('captions in a file of unknown kind', {
      where: file,
      found: extension || 'no extension',
      allowed: `${TABLES.join(', ')} (tables), ${JSONS.join(', ')}`,
      help: 'export a spreadsheet as CSV in UTF-8, a data frame as JSON Lines',
    });
  }
  const text = await readText(file, { what: 'a caption file' });
  const other = OTHER_FILES.find(({ start }) => start.test(text));
  if (other) {
    throw new DataError('a caption file holds something else', {
      where: file,
      found: other.found,
      help: other.help,
    });
  }
  // A table cannot begin so: its header would be a bracket.
  const json = JSONS.includes(extension) || /^\s*(\{\s*"|\[\s*[[{])/.test(text);
  return json ? readJsonEntries(text, file, keys) : readTable(text, file, keys, note);
}

/** Texts that are fetched in place of a file. */
const OTHER_FILES = [
  {
    start: /^version https:\/\/git-lfs/,
    found: 'a pointer of Git LFS, not the file itself',
    help: 'git lfs pull fetches it',
  },
  {
    start: /^\s*<(!doctype|html|\?xml)/i,
    found: 'a web page, or XML',
    help: 'fetch the file itself: a page may ask to log in, or show it',
  },
];

/** The names of all entries: one may lack what another has. */
function namesOf(entries: readonly Annotation[]): string[] {
  const names = new Set<string>();
  for (const { values } of entries) for (const name of Object.keys(values)) names.add(name);
  return [...names];
}

/** An image's captions in one entry; undefined, and a fault, where there is none. */
function captionedImage(entry: Annotation, columns: Columns, faults: Faults): CaptionedImage | undefined {
  const { values, ...place } = entry;
  const image = values[columns.image];
  if (typeof image !== 'string' || isNothing(image)) {
    return faults.add(entry, `no image under '${columns.image}'`, image);
  }
  const captions: string[] = [];
  const several = columns.captions.length > 1;
  for (const name of columns.captions) {
    const given = values[name];
    if (several && isNothing(given)) continue;
    for (const one of listOf(given, entry, name)) {
      if (typeof one !== 'string' || isNothing(one)) {
        return faults.add(entry, `no caption under '${name}'`, one);
      }
      captions.push(one);
    }
  }
  if (captions.length === 0)
    return faults.add(entry, `no caption under '${columns.captions.join("', '")}'`, '');
  const split = columns.split === undefined ? undefined : values[columns.split];
  return {
    ...place,
    image: imagePath(image),
    captions,
    split: isNothing(split) ? undefined : splitName(String(split)),
    stem: STEM in values,
  };
}

function listOf(value: unknown, entry: Annotation, name: string): unknown[] {
  if (Array.isArray(value)) return value.length > 0 ? value : [null];
  if (typeof value !== 'string') return [value];
  try {
    const list = listInCell(value);
    return list === undefined ? [value] : list.length > 0 ? list : [null];
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new DataError(`the list under '${name}' cannot be read`, {
      where: placeOf(entry),
      found: value.slice(0, 160),
      allowed: '["a caption", "another"]',
      cause,
    });
  }
}

/** One spelling for `./a.jpg` and `a.jpg`; Flickr8k's number of the caption, `a.jpg#0`, is taken off. */
function imagePath(name: string): string {
  const path = name.replace(/(\.\w+)#\d+$/, '$1');
  return /^[a-z][a-z0-9+.-]*:/i.test(path) ? path : posix.normalize(path);
}

/** Entries that cannot be used: all of a file are told in one message. */
class Faults {
  readonly #faults: { entry: Annotation; what: string; found: unknown }[] = [];

  add(entry: Annotation, what: string, found: unknown): undefined {
    this.#faults.push({ entry, what, found });
  }

  /** @throws DataError when there is any. */
  refuse(file: string, entries: number): void {
    const [first] = this.#faults;
    if (!first) return;
    const count = this.#faults.length;
    const shown = this.#faults.slice(0, 10).map(({ entry }) => placeOf(entry));
    throw new DataError(
      count === 1
        ? `an entry has ${first.what}`
        : `${count} of ${entries} entries have no image or no caption`,
      {
        where: [...shown, ...(count > 10 ? [`and ${count - 10} more in ${file}`] : [])].join('\n'),
        found: `${first.found === undefined ? 'nothing' : JSON.stringify(first.found)} ${count > 1 ? `(${first.what}) ` : ''}in ${JSON.stringify(first.entry.values).slice(0, 160)}`,
        help: 'take these entries out, or write their captions',
      },
    );
  }
}

/** @throws DataError for images that stand in two splits: they would be scored on what they were trained on. */
function refuseTorn(torn: ReadonlyMap<string, ReadonlySet<Split>>, files: readonly string[]): void {
  if (torn.size === 0) return;
  const shown = [...torn].slice(0, 3).map(([image, splits]) => `${image}: ${[...splits].join(', ')}`);
  throw new DataError(
    `${torn.size === 1 ? 'an image stands' : `${torn.size} images stand`} in several splits`,
    {
      where: files.join('\n'),
      found: [...shown, ...(torn.size > 3 ? ['…'] : [])].join('\n'),
      allowed: 'all captions of an image in one split: what is scored must not have been trained on',
    },
  );
}
