import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { DataError, messageOf } from '../../../common/errors.js';
import { didYouMean } from '../../../common/suggest.js';
import { type Annotation, readAnnotations } from '../annotations.js';
import { type CocoCaption, type CocoImage, fromCoco } from './coco_form.js';
import { parseCsv, parseTsv } from './delimited.js';

/** An image with all its captions, and the split it is assigned to where the file says so. */
export interface CaptionedImage {
  image: string;
  captions: string[];
  split?: string;
  file: string;
  /** Of its first entry. */
  index: number;
}

/** Names of the columns or keys; the usual ones are found when absent. */
export interface TableKeys {
  image?: string;
  caption?: string;
  split?: string;
}

const USUAL = {
  image: ['image', 'file_name', 'filename', 'file', 'filepath', 'file_path', 'image_path', 'path', 'img'],
  caption: ['caption', 'captions', 'text', 'description', 'comment', 'sentence'],
  split: ['split'],
};

/**
 * The captioned images of files in CSV, TSV, JSON or JSONL, in the order of their first entries. JSON is a
 * list of objects, an object of image -> caption or captions, or COCO's `images` and `annotations`.
 * @throws DataError naming file and line or entry.
 */
export async function readCaptionTables(
  files: readonly string[],
  keys: TableKeys,
): Promise<CaptionedImage[]> {
  const images = new Map<string, CaptionedImage>();
  for (const file of files) {
    const entries = await readEntries(file);
    if (entries.length === 0) continue;
    const found = {
      image: keyOf('image', entries, keys.image),
      caption: keyOf('caption', entries, keys.caption),
      split: keys.split ?? USUAL.split.find((name) => name in entries[0].values),
    };
    for (const entry of entries) {
      const { image, captions, split } = valuesOf(entry, found);
      const known = images.get(image);
      if (known) known.captions.push(...captions);
      else images.set(image, { image, captions, split, file, index: entry.index });
    }
  }
  return [...images.values()];
}

async function readEntries(file: string): Promise<Annotation[]> {
  const extension = extname(file).toLowerCase();
  if (extension === '.csv' || extension === '.tsv') return readTable(file, extension === '.tsv');
  if (extension === '.jsonl') return readAnnotations([file]);
  if (extension === '.json') return readJson(file);
  throw new DataError('captions in a file of unknown kind', {
    where: file,
    allowed: '.csv, .tsv, .json or .jsonl',
  });
}

async function readTable(file: string, tabs: boolean): Promise<Annotation[]> {
  const text = await readText(file);
  const [header, ...rows] = tabs ? parseTsv(text) : parseCsv(text, file);
  if (!header) return [];
  const names = header.cells.map((name) => name.trim());
  return rows.map(({ line, cells }) => {
    if (cells.length === names.length) {
      return { values: Object.fromEntries(names.map((name, i) => [name, cells[i]])), file, index: line };
    }
    throw new DataError('a row has another number of cells than the header', {
      where: `${file}:${line}`,
      found: `${cells.length} cells: ${cells.join(' | ').slice(0, 120)}`,
      allowed: `${names.length}: ${names.join(', ')}`,
      help: tabs ? undefined : 'a cell with a comma stands in quotes: "a dog, asleep"',
    });
  });
}

async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (cause) {
    throw new DataError('a caption file cannot be read', { where: file, found: messageOf(cause), cause });
  }
}

async function readJson(file: string): Promise<Annotation[]> {
  const entries = await readAnnotations([file]);
  // An object of image -> caption comes as { sample_id, data }, COCO's form as two of them.
  const parts = new Map(entries.map(({ values }) => [values.sample_id, values.data]));
  if (Array.isArray(parts.get('images')) && Array.isArray(parts.get('annotations'))) {
    return fromCoco(parts.get('images') as CocoImage[], parts.get('annotations') as CocoCaption[], file);
  }
  return entries.map((entry) => {
    const { sample_id, data, ...values } = entry.values;
    if (sample_id === undefined) return entry;
    return {
      ...entry,
      values: data === undefined ? { image: sample_id, ...values } : { image: sample_id, caption: data },
    };
  });
}

function keyOf(what: 'image' | 'caption', [{ values, file }]: Annotation[], given?: string): string {
  const names = Object.keys(values);
  const name = given ? names.find((key) => key === given) : USUAL[what].find((key) => names.includes(key));
  if (name) return name;
  throw new DataError(`no column is the ${what}`, {
    where: file,
    found: [names.join(', '), given && didYouMean(given, names)].filter(Boolean).join('; '),
    allowed: given ?? USUAL[what].join(', '),
    help: `--options datasets.custom_caption.build_info.${what}_key=NAME names the column`,
  });
}

function valuesOf({ values, file, index }: Annotation, keys: Required<TableKeys> | TableKeys) {
  const image = values[keys.image!];
  const caption = values[keys.caption!];
  const captions = Array.isArray(caption) ? caption : [caption];
  const split = keys.split === undefined ? undefined : values[keys.split];
  const fault = !isText(image)
    ? keys.image
    : !captions.length || !captions.every(isText)
      ? keys.caption
      : undefined;
  if (fault === undefined) {
    return {
      image: image as string,
      captions: captions as string[],
      split: isText(split) ? split : undefined,
    };
  }
  throw new DataError(`an entry has no text under '${fault}'`, {
    where: /\.[ct]sv$/i.test(file) ? `${file}:${index}` : `${file}, entry ${index}`,
    found: JSON.stringify(values).slice(0, 160),
  });
}

const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
