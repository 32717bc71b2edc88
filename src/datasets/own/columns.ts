import { DataError } from '../../common/errors.js';
import { didYouMean } from '../../common/suggest.js';
import { IMAGE_FILE } from '../annotated/image_id.js';

/** Names of the columns or keys; the usual ones are found when absent. */
export interface TableKeys {
  image?: string;
  caption?: string;
  split?: string;
}

/** The columns that are read; several with captions where they are numbered. */
export interface Columns {
  image: string;
  captions: string[];
  split?: string;
}

const IMAGE = [
  ...['image', 'file_name', 'filename', 'file', 'filepath', 'file_path', 'image_path', 'image_file'],
  ...['image_name', 'path', 'img', 'img_path', 'img_name', 'image_id', 'id'],
];
const CAPTION = [
  ...['caption', 'captions', 'text', 'texts', 'description', 'comment', 'comments', 'sentence', 'sentences'],
  ...['raw', 'caption_str'],
];
const SPLIT = ['split'];

/** As a header is compared: 'File Name' is file_name. */
export const plainName = (name: string) =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');

/** 'caption_0' and 'Caption 1' belong to 'caption', 'captions1' to 'captions'. */
const NUMBERED = /^(.*?)_?(\d+)$/;

/**
 * The columns among `names` that hold image, captions and split: by the keys that are given, else by their
 * usual names, whatever their case; an image's id is its file only where it looks like one.
 * @param sample values of one entry
 * @throws DataError naming the columns that there are
 */
export function findColumns(
  names: readonly string[],
  keys: TableKeys,
  sample: Readonly<Record<string, unknown>>,
  where: string,
): Columns {
  const found = findSome(names, keys, sample);
  if (!found.image) throw missing('image', names, keys.image, IMAGE, where);
  if (!found.captions.length) throw missing('caption', names, keys.caption, CAPTION, where);
  if (keys.split && !found.split) throw missing('split', names, keys.split, SPLIT, where);
  return found as Columns;
}

/** As findColumns, without those that are not there. */
export function findSome(
  names: readonly string[],
  keys: TableKeys,
  sample: Readonly<Record<string, unknown>> = {},
): Partial<Columns> & { captions: string[] } {
  const isFile = (name: string) => !/(^|_)id$/.test(plainName(name)) || IMAGE_FILE.test(String(sample[name]));
  return {
    image: columnsOf(names, keys.image ? [keys.image] : IMAGE).find((name) => keys.image || isFile(name)),
    captions: captionColumns(names, keys.caption ? [keys.caption] : CAPTION),
    split: columnsOf(names, keys.split ? [keys.split] : SPLIT)[0],
  };
}

/** Of `names`, those called as one of `wanted`, in the order of these; a name as it is written goes first. */
function columnsOf(names: readonly string[], wanted: readonly string[]): string[] {
  return wanted.flatMap((one) => {
    const exact = names.find((name) => name.trim() === one);
    return exact ?? names.find((name) => plainName(name) === plainName(one)) ?? [];
  });
}

/** One column with that name, or the numbered ones in the order of their numbers, or both. */
function captionColumns(names: readonly string[], wanted: readonly string[]): string[] {
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
  what: keyof TableKeys,
  names: readonly string[],
  given: string | undefined,
  usual: readonly string[],
  where: string,
): DataError {
  return new DataError(`no column is the ${what}`, {
    where,
    found: [names.join(', ').slice(0, 200), given && didYouMean(given, names)].filter(Boolean).join('; '),
    allowed: given ?? `${usual.join(', ')}, in any case`,
    help: `--options datasets.custom_caption.build_info.${what}_key=NAME names the column`,
  });
}
