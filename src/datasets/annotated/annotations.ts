import { DataError, LavisError } from '../../common/errors.js';
import { parseJson } from '../../common/json.js';
import { readText } from '../../common/text_file.js';

/** One entry of an annotation file, and where it stands. */
export interface Annotation {
  values: Record<string, unknown>;
  file: string;
  /** Position in the file, from 0. */
  index: number;
  /** The line it begins on, counted from 1, in a file with one entry per line. */
  line?: number;
}

/** Where an annotation stands, as messages say it. */
export const placeOf = ({ file, index, line }: Omit<Annotation, 'values'>): string =>
  line === undefined ? `${file}, entry ${index}` : `${file}:${line}`;

/**
 * The entries of JSON annotation files, one after the other: a list, an object whose keys become
 * `sample_id`, or JSON Lines.
 * @throws DataError for a file that is not JSON or holds anything else; other forms are named.
 */
export async function readAnnotations(files: readonly string[]): Promise<Annotation[]> {
  const all: Annotation[] = [];
  for (const file of files) {
    const entries = entriesOf(
      parseJsonFile(await readText(file, { what: 'an annotation file' }), file),
      file,
    );
    for (const [index, { value, line }] of entries.entries()) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new DataError('an annotation is not an object', {
          where: placeOf({ file, index, line }),
          found: JSON.stringify(value)?.slice(0, 80),
          allowed: '{"image": "…", …}',
        });
      }
      all.push({ values: value as Record<string, unknown>, file, index, line });
    }
  }
  return all;
}

function entriesOf(
  parsed: ReturnType<typeof parseJsonFile>,
  file: string,
): { value: unknown; line?: number }[] {
  if ('lines' in parsed) return parsed.lines;
  const { root } = parsed;
  if (Array.isArray(root)) return root.map((value: unknown) => ({ value }));
  if (typeof root === 'object' && root !== null) {
    refuseOtherForm(root, file);
    return Object.entries(root).map(([key, value]) => ({
      value:
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? { sample_id: key, ...value }
          : { sample_id: key, data: value },
    }));
  }
  throw new DataError('an annotation file holds no list', {
    where: file,
    found: JSON.stringify(root).slice(0, 80),
    allowed: 'a JSON list with one object per entry',
  });
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
        where: placeOf(annotation),
        found: JSON.stringify(annotation.values).slice(0, 160),
        allowed: `"${key}": a ${types.join(' or a ')}`,
      },
    );
  }
  return value as T extends 'string' ? string : number;
}

/** Files that are not lists of entries, and the dataset that reads them. */
const FORMS: readonly [name: string, reader: string, is: (root: Record<string, unknown>) => boolean][] = [
  [
    "Karpathy's own (images with their sentences)",
    'custom_caption',
    ({ images }) => someHave(images, 'sentences'),
  ],
  [
    "COCO's own (images and annotations)",
    'custom_caption',
    ({ images, annotations }) => isList(images) && isList(annotations),
  ],
  ["COCO's own, without annotations", 'custom_caption', ({ images }) => someHave(images, 'file_name')],
  ["TextCaps's own (data)", 'custom_caption', ({ data }) => isTextCaps(data)],
  ["VQA's own (questions)", 'custom_vqa', ({ questions }) => someHave(questions, 'question_id')],
];

/** The entries of TextCaps's `data`. */
export const isTextCaps = (data: unknown): data is Record<string, unknown>[] =>
  someHave(data, 'caption_str') || someHave(data, 'reference_strs');

/** @throws DataError that names the form of a file that another dataset reads */
function refuseOtherForm(root: object, file: string): void {
  const form = FORMS.find(([, , is]) => is(root as Record<string, unknown>));
  if (!form) return;
  const [name, reader] = form;
  throw new DataError("an annotation file is not in LAVIS's form", {
    where: file,
    found: `${name}: keys ${Object.keys(root).join(', ').slice(0, 120)}`,
    allowed: '[{"image": "…", …}, …]',
    help:
      `the dataset ${reader} reads it (datasets.${reader}.build_info.annotations); ` +
      'the others take the files that LAVIS hands out, and download them',
  });
}

const isList = (value: unknown): value is unknown[] => Array.isArray(value);

const someHave = (list: unknown, key: string) =>
  isList(list) && list.some((entry) => typeof entry === 'object' && entry !== null && key in entry);

/** Whether a text has a letter or a digit: of punctuation alone a text processor leaves nothing to learn. */
export const hasWords = (text: string): boolean => /[\p{L}\p{N}]/u.test(text);

/** What pandas and others write where there is nothing. */
const NOTHING = /^\s*(|nan|none|null|n\/a|#n\/a|<na>|na|undefined)\s*$/i;

/** Whether a value stands for a missing caption: absent, blank, or a placeholder such as NaN. */
export const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'string' && NOTHING.test(value));

/** The value of a line, from 1. */
export interface JsonLine {
  value: unknown;
  line: number;
}

const WHAT = 'an annotation file';
const HELP =
  'fetch it again if it was cut short; tables (.csv, .tsv, .txt) are read by the datasets custom_…';

/**
 * The root of a JSON file, or the values of JSON Lines, whichever the text is: the name does not decide.
 * @throws DataError naming file, line and column
 */
export function parseJsonFile(text: string, file: string): { root: unknown } | { lines: JsonLine[] } {
  const named = /\.(jsonl|ndjson)$/i.test(file);
  const whole = tryParse(text);
  // A single object is JSON Lines of one line where the name says so.
  if (whole && (!named || Array.isArray(whole.value))) return { root: whole.value };
  const lines = text.split(/\r\n|\n|\r/).flatMap((part, i) => (part.trim() ? [{ part, line: i + 1 }] : []));
  const first = lines[0]?.part.trimStart();
  const isLines = named ? first?.startsWith('{') : lines.length > 1 && tryParse(first) !== undefined;
  if (!isLines || (whole && lines.length > 1))
    return { root: whole?.value ?? parseJson(text, WHAT, file, HELP) };
  return {
    lines: lines.map(({ part, line }) => ({
      value: (tryParse(part) ?? { value: parseJson(`${'\n'.repeat(line - 1)}${part}`, WHAT, file, HELP) })
        .value,
      line,
    })),
  };
}

/** The value, or undefined for what is not JSON. */
function tryParse(text: string): { value: unknown } | undefined {
  if (!/\S/.test(text)) return undefined;
  try {
    return { value: parseJson(text, WHAT, '') };
  } catch (thrown) {
    if (thrown instanceof LavisError) return undefined;
    throw thrown;
  }
}
