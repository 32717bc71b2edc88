import { extname } from 'node:path';
import { DataError } from '../../common/errors.js';
import { type Annotation, isTextCaps, parseJsonFile } from '../annotated/annotations.js';
import { fromCoco } from './coco_form.js';
import { findSome, fitOf, type TableForm, type TableKeys } from './columns.js';
import { fromTextCaps } from './textcaps_form.js';

type Table = Record<string, unknown>;

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTables = (value: unknown): value is Table[] => Array.isArray(value) && value.every(isTable);

/**
 * The entries of JSON or JSON Lines: a list of objects; an object of image -> text, texts or values;
 * COCO's `images` and `annotations`; Karpathy's `images` with their `sentences`; TextCaps's `data`; columns, as pandas writes
 * them; or one of these lists under a key of its own (`data`, `train`).
 * @throws DataError naming file and line or entry.
 */
export function readJsonEntries(text: string, file: string, form: TableForm, keys: TableKeys): Annotation[] {
  const parsed = parseJsonFile(text, file);
  if ('lines' in parsed) {
    return parsed.lines.map(({ value, line }, index) => ({
      values: isTable(value) ? value : refuse(value, `${file}:${line}`),
      file,
      index,
      line,
    }));
  }
  return entriesOf(parsed.root, file, form, keys).map((values, index) => ({ values, file, index }));
}

function entriesOf(root: unknown, file: string, form: TableForm, keys: TableKeys): Table[] {
  if (Array.isArray(root)) {
    return root.map((value, i) => (isTable(value) ? value : refuse(value, `${file}, entry ${i}`)));
  }
  if (!isTable(root)) refuse(root, file);
  if (Array.isArray(root.images) && Array.isArray(root.annotations)) {
    return fromCoco(root.images, root.annotations, file).map(({ values }) => values);
  }
  if (isTables(root.images) && root.images.some(({ sentences }) => Array.isArray(sentences))) {
    return root.images.map((image, i) => fromKarpathy(image, `${file}, images entry ${i}`));
  }
  if (isTables(root.data) && isTextCaps(root.data)) return fromTextCaps(root.data, file);
  return (
    fromColumns(root, file, form, keys) ?? fromLists(root) ?? fromIds(root, form) ?? fromNames(root, form)
  );
}

/** One of the `images` of Karpathy's dataset_coco.json, dataset_flickr8k.json and dataset_flickr30k.json. */
function fromKarpathy({ filepath, filename, sentences, split }: Table, where: string): Table {
  const texts = isTables(sentences) ? sentences.map(sentenceOf) : [];
  if (typeof filename !== 'string') refuse({ filename }, where);
  const image = typeof filepath === 'string' && filepath !== '' ? `${filepath}/${filename}` : filename;
  return { image, caption: texts, ...(split === undefined ? {} : { split }) };
}

const sentenceOf = ({ raw, tokens }: Table) => raw ?? (Array.isArray(tokens) ? tokens.join(' ') : undefined);

/** Columns as pandas and datasets write them: lists of one length, objects of the same keys, or `columns` and `data`. */
function fromColumns(root: Table, file: string, form: TableForm, keys: TableKeys): Table[] | undefined {
  const { columns, data } = root;
  if (Array.isArray(columns) && Array.isArray(data) && data.every(Array.isArray)) {
    return data.map((row: unknown[]) => Object.fromEntries(columns.map((name, i) => [String(name), row[i]])));
  }
  const names = Object.keys(root);
  if (fitOf(findSome(names, form, keys), form) < 2) return undefined;
  const given = Object.values(root);
  if (!given.every((column) => typeof column === 'object' && column !== null)) return undefined;
  const rows = Object.keys(given[0] as object);
  if (given.some((column) => Object.keys(column as object).length !== rows.length)) {
    throw new DataError('columns are of different lengths', {
      where: file,
      found: names.map((name) => `${name}: ${Object.keys(root[name] as object).length}`).join(', '),
    });
  }
  return rows.map((row) => Object.fromEntries(names.map((name) => [name, (root[name] as Table)[row]])));
}

const SPLIT_KEY = /^(train(ing)?|val(id(ation)?)?|dev|test(ing)?|restval)$/i;

/** A list of objects under a key of its own, or one for each split. */
function fromLists(root: Table): Table[] | undefined {
  const lists = Object.entries(root).filter((entry): entry is [string, Table[]] => {
    const [, value] = entry;
    return isTables(value) && value.length > 0;
  });
  const splits = lists.filter(([name]) => SPLIT_KEY.test(name));
  if (splits.length > 0 && splits.length === Object.keys(root).length) {
    return splits.flatMap(([split, list]) => list.map((values) => ({ split, ...values })));
  }
  return lists.length === 1 && !/\.\w+$/.test(lists[0][0]) ? lists[0][1] : undefined;
}

/** An object of question id -> values, as GQA's. */
function fromIds(root: Table, { roles }: TableForm): Table[] | undefined {
  if (!roles.question_id) return undefined;
  const entries = Object.entries(root);
  if (entries.length === 0 || entries.some(([, value]) => !isTable(value))) return undefined;
  return entries.map(([question_id, value]) => ({ question_id, ...(value as Table) }));
}

/** The key under which an image that is named by its file's stem says so: kohya's trainers leave the extension off. */
export const STEM = Symbol('named by its stem');

/** An object of image -> text, texts or values. */
function fromNames(root: Table, { roles }: TableForm): Table[] {
  const text = Object.keys(roles).find((role) => !roles[role].optional) ?? 'text';
  return Object.entries(root).map(([name, value]) => {
    const values = isTable(value) ? { image: name, ...value } : { image: name, [text]: value };
    return isTable(value) && extname(name) === '' ? { ...values, [STEM]: true } : values;
  });
}

function refuse(value: unknown, where: string): never {
  throw new DataError('an annotation is not an object', {
    where,
    found: JSON.stringify(value)?.slice(0, 80),
    allowed: '{"image": "…", …}',
  });
}
