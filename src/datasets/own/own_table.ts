import { extname, posix } from 'node:path';
import { DataError } from '../../common/errors.js';
import { readText } from '../../common/text_file.js';
import { type Annotation, isNothing, placeOf } from '../annotated/annotations.js';
import { isImageFile } from '../annotated/image_id.js';
import type { Split } from '../types.js';
import { type OwnImage, splitName } from './assign_splits.js';
import { isBlank, listInCell } from './cell_text.js';
import { type Columns, findColumns, type Role, type TableForm, type TableKeys } from './columns.js';
import { readJsonEntries, STEM } from './json_entries.js';
import { readTable } from './table_file.js';

/** The images of some files, and what there is to tell about how they were read. */
export interface OwnTables {
  images: OwnImage[];
  notes: string[];
}

const TABLES = ['.csv', '.tsv', '.tab', '.psv', '.txt', '.token'];
const JSONS = ['.json', '.jsonl', '.ndjson'];

/** Whether a file may hold a table or JSON, by the ending of its name. */
export const isTableFile = (path: string): boolean =>
  [...TABLES, ...JSONS].includes(extname(path).toLowerCase());

/**
 * The images of files with their texts, in the order of their first entries: tables (see readTable) and JSON
 * (see readJsonEntries). A cell, or a value, may hold a list of texts where the form has several.
 * @throws DataError naming file and line or entry; entries that lack something are told all at once, and so are
 *   images that stand in two splits.
 */
export async function readOwnTables(
  files: readonly string[],
  form: TableForm,
  keys: TableKeys,
): Promise<OwnTables> {
  const images = new Map<string, OwnImage>();
  const notes: string[] = [];
  const torn = new Map<string, Set<Split>>();
  for (const file of files) {
    const entries = await readEntries(file, form, keys, (text) => notes.push(text));
    if (entries.length === 0) continue;
    const columns = findColumns(namesOf(entries), form, keys, entries[0].values, file);
    const faults = new Faults(form);
    for (const entry of entries) {
      const one = imageOf(entry, columns, form, faults);
      if (!one) continue;
      const known = images.get(one.image);
      if (!known) images.set(one.image, one);
      else {
        known.rows.push(...one.rows);
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
  form: TableForm,
  keys: TableKeys,
  note: (text: string) => void,
): Promise<Annotation[]> {
  const extension = extname(file).toLowerCase();
  if (![...TABLES, ...JSONS].includes(extension)) {
    throw new DataError(`${form.what} in a file of unknown kind`, {
      where: file,
      found: extension || 'no extension',
      allowed: `${TABLES.join(', ')} (tables), ${JSONS.join(', ')}`,
      help: 'export a spreadsheet as CSV in UTF-8, a data frame as JSON Lines',
    });
  }
  const text = await readText(file, { what: `a file of ${form.what}` });
  const other = OTHER_FILES.find(({ start }) => start.test(text));
  if (other) {
    throw new DataError(`a file of ${form.what} holds something else`, {
      where: file,
      found: other.found,
      help: other.help,
    });
  }
  // A table cannot begin so: its header would be a bracket.
  const json = JSONS.includes(extension) || /^\s*(\{\s*"|\[\s*[[{])/.test(text);
  return json ? readJsonEntries(text, file, form, keys) : readTable(text, file, form, keys, note);
}

/** Texts that are fetched in place of a file. */
const OTHER_FILES = [
  {
    start: /^version https:\/\/git-lfs/,
    found: 'a Git LFS pointer, not the file itself',
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

/** An image with the texts of one entry; undefined, and a fault, where something is lacking. */
function imageOf(entry: Annotation, columns: Columns, form: TableForm, faults: Faults): OwnImage | undefined {
  const { values, ...place } = entry;
  const image = values[columns.image];
  const number = typeof image === 'number' && /id$/.test(columns.image);
  if ((typeof image !== 'string' && !number) || isNothing(image)) {
    return faults.add(entry, `no image under '${columns.image}'`, image);
  }
  const texts: Record<string, string[]> = {};
  for (const [role, rule] of Object.entries(form.roles)) {
    const found = textsUnder(entry, role, columns.texts[role], rule, faults);
    if (!found) return undefined;
    texts[role] = found;
  }
  const split = columns.split === undefined ? undefined : values[columns.split];
  const name = String(image);
  return {
    ...place,
    image: imagePath(name),
    rows: [{ ...place, texts }],
    split: isNothing(split) ? undefined : splitName(String(split)),
    stem: STEM in values || (/id$/i.test(columns.image) && !isImageFile(name)),
  };
}

/** The texts of a role in one entry; undefined, and a fault, where there is none though there should be. */
function textsUnder(
  entry: Annotation,
  role: string,
  columns: readonly string[],
  { optional, literal }: Role,
  faults: Faults,
): string[] | undefined {
  const isEmpty = literal ? isBlank : isNothing;
  const texts: string[] = [];
  for (const name of columns) {
    const given = entry.values[name];
    if ((columns.length > 1 || optional) && isEmpty(given)) continue;
    for (const listed of listOf(given, entry, name)) {
      const one = optional || literal ? plainText(listed, role) : listed;
      if (optional && isEmpty(one)) continue;
      if (typeof one !== 'string' || isEmpty(one)) {
        return faults.add(entry, `no ${role} under '${name}'`, one);
      }
      texts.push(one);
    }
  }
  if (texts.length > 0 || optional) return texts;
  return faults.add(entry, `no ${role} under '${columns.join("', '")}'`, '');
}

/** Numbers as their digits; of VQA's {"answer": "yes", "answer_confidence": …} the answer. */
function plainText(value: unknown, role: string): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'object' && value !== null && role in value) {
    return plainText((value as Record<string, unknown>)[role], role);
  }
  return value;
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
      allowed: '["one text", "another"]',
      cause,
    });
  }
}

/** One spelling for `./a.jpg` and `a.jpg`; Flickr8k's number of the text, `a.jpg#0`, is taken off. */
function imagePath(name: string): string {
  const path = name.replace(/(\.\w+)#\d+$/, '$1');
  return /^[a-z][a-z0-9+.-]*:/i.test(path) ? path : posix.normalize(path);
}

/** Entries that cannot be used: all of a file are told in one message. */
class Faults {
  readonly #faults: { entry: Annotation; what: string; found: unknown }[] = [];
  /** What an entry needs. */
  readonly #needs: string;

  constructor({ roles }: TableForm) {
    const required = Object.keys(roles).filter((role) => !roles[role].optional);
    this.#needs = ['image', ...required].map((one) => `no ${one}`).join(' or ');
  }

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
      count === 1 ? `an entry has ${first.what}` : `${count} of ${entries} entries have ${this.#needs}`,
      {
        where: [...shown, ...(count > 10 ? [`and ${count - 10} more in ${file}`] : [])].join('\n'),
        found: `${first.found === undefined ? 'nothing' : JSON.stringify(first.found)} ${count > 1 ? `(${first.what}) ` : ''}in ${JSON.stringify(first.entry.values).slice(0, 160)}`,
        help: 'remove these entries or fill in what is missing',
      },
    );
  }
}

/** @throws DataError for images that stand in two splits: they would be scored on what they were trained on. */
function refuseTorn(torn: ReadonlyMap<string, ReadonlySet<Split>>, files: readonly string[]): void {
  if (torn.size === 0) return;
  const shown = [...torn].slice(0, 3).map(([image, splits]) => `${image}: ${[...splits].join(', ')}`);
  throw new DataError(`${torn.size === 1 ? 'an image is' : `${torn.size} images are`} in several splits`, {
    where: files.join('\n'),
    found: [...shown, ...(torn.size > 3 ? ['…'] : [])].join('\n'),
    allowed: 'all entries of an image in one split: what is scored must not have been trained on',
  });
}
