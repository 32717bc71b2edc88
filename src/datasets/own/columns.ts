import { DataError } from '../../common/errors.js';
import { didYouMean } from '../../common/suggest.js';
import { isImageFile } from '../annotated/image_id.js';

/** Names of the columns or keys: of `image`, `split` and the form's roles; the usual ones are found when absent. */
export type TableKeys = Readonly<Record<string, string | undefined>>;

/** What a column of texts is called, and what may stand in it. */
export interface Role {
  /** The usual names, the likeliest first. */
  readonly names: readonly string[];
  /** Whether an entry may have several: in numbered columns, or as a list. */
  readonly several?: boolean;
  readonly optional?: boolean;
  /** Whether numbers, true, "none" and "n/a" are texts, not what a program writes for nothing. */
  readonly literal?: boolean;
}

/** What tables of a kind tell of an image. */
export interface TableForm {
  /** For messages: the dataset that reads such tables, and what they hold. */
  readonly dataset: string;
  readonly what: string;
  readonly roles: Readonly<Record<string, Role>>;
}

/** The columns that are read; several of a role where they are numbered. */
export interface Columns {
  image: string;
  texts: Readonly<Record<string, readonly string[]>>;
  split?: string;
}

const IMAGE = [
  ...['image', 'file_name', 'filename', 'file', 'filepath', 'file_path', 'image_path', 'image_file'],
  ...['image_name', 'path', 'img', 'img_path', 'img_name', 'image_id', 'imageid', 'id'],
];
const SPLIT = ['split'];

/** As a header is compared: 'File Name' is file_name. */
export const plainName = (name: string) =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');

/** 'answer_0' and 'Answer 1' belong to 'answer', 'answers1' to 'answers'. */
const NUMBERED = /^(.*?)_?(\d+)$/;

/**
 * The columns among `names` that hold image, texts and split: by the keys that are given, else by their usual
 * names, whatever their case; an image's id is its file only where it looks like one, or nothing else is there.
 * @param sample values of one entry
 * @throws DataError naming the columns that there are
 */
export function findColumns(
  names: readonly string[],
  form: TableForm,
  keys: TableKeys,
  sample: Readonly<Record<string, unknown>>,
  where: string,
): Columns {
  const found = findSome(names, form, keys, sample);
  if (!found.image) throw missing('image', names, keys.image, IMAGE, form, where);
  for (const [role, { names: usual, optional }] of Object.entries(form.roles)) {
    if (found.texts[role].length > 0 || (optional && !keys[role])) continue;
    throw missing(role, names, keys[role], usual, form, where);
  }
  if (keys.split && !found.split) throw missing('split', names, keys.split, SPLIT, form, where);
  return found as Columns;
}

/** As findColumns, without those that are not there. */
export function findSome(
  names: readonly string[],
  { roles }: TableForm,
  keys: TableKeys,
  sample: Readonly<Record<string, unknown>> = {},
): Omit<Columns, 'image'> & { image?: string } {
  const isFile = (name: string) => !/(^|_)?id$/.test(plainName(name)) || isImageFile(String(sample[name]));
  const images = columnsOf(names, keys.image ? [keys.image] : IMAGE);
  // Questions are mostly asked about numbered images: COCO's.
  const byId = roles.question_id && images.find((name) => plainName(name) !== 'id');
  const taken = new Set(Object.values(keys).map((name) => name && plainName(name)));
  const texts = Object.entries(roles).map(([role, { names: usual, several }]) => {
    // A column that another key names is that one's alone.
    const free = keys[role] ? names : names.filter((name) => !taken.has(plainName(name)));
    const columns = textColumns(free, keys[role] ? [keys[role]] : usual);
    return [role, several ? columns : columns.slice(0, 1)] as const;
  });
  return {
    image: images.find((name) => keys.image || isFile(name)) ?? byId,
    texts: Object.fromEntries(texts),
    split: columnsOf(names, keys.split ? [keys.split] : SPLIT)[0],
  };
}

/** How much of a form some columns make up: what is required, all of it, or nothing. */
export function fitOf({ image, texts }: ReturnType<typeof findSome>, { roles }: TableForm): 0 | 1 | 2 {
  const required = Object.entries(roles).filter(([, { optional }]) => !optional);
  const found = required.filter(([role]) => texts[role].length > 0).length;
  if (image !== undefined && found === required.length) return 2;
  return image !== undefined || found > 0 ? 1 : 0;
}

/** Of `names`, those called as one of `wanted`, in the order of these; a name as it is written goes first. */
function columnsOf(names: readonly string[], wanted: readonly string[]): string[] {
  return wanted.flatMap((one) => {
    const exact = names.find((name) => name.trim() === one);
    return exact ?? names.find((name) => plainName(name) === plainName(one)) ?? [];
  });
}

/** One column with that name, or the numbered ones in the order of their numbers, or both. */
function textColumns(names: readonly string[], wanted: readonly string[]): string[] {
  for (const one of wanted) {
    const numbered = names
      .map((name) => ({ name, parts: NUMBERED.exec(plainName(name)) }))
      .filter(({ parts }) => parts && (parts[1] === plainName(one) || `${parts[1]}s` === plainName(one)))
      .sort((a, b) => Number(a.parts![2]) - Number(b.parts![2]))
      .map(({ name }) => name);
    const all = [...columnsOf(names, [one]), ...numbered];
    if (all.length > 0) return all;
  }
  return [];
}

function missing(
  what: string,
  names: readonly string[],
  given: string | undefined,
  usual: readonly string[],
  { dataset }: TableForm,
  where: string,
): DataError {
  return new DataError(`no column is the ${what}`, {
    where,
    found: [names.join(', ').slice(0, 200), given && didYouMean(given, names)].filter(Boolean).join('; '),
    allowed: given ?? `${usual.join(', ')}, in any case`,
    help: `--options datasets.${dataset}.build_info.${what}_key=NAME names the column`,
  });
}
