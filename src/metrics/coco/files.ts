import { DataError } from '../../common/errors.js';
import { parseJson } from '../../common/json.js';
import { readText } from '../../common/text_file.js';
import { counted, some } from '../../common/words.js';
import type { ImageId } from '../scores/tokens.js';

/** One generated caption, as `result/<split>_epoch<k>.json` lists them. */
export interface CaptionResult {
  readonly image_id: ImageId;
  readonly caption: string;
}

/** A COCO annotation file, as far as evaluation reads it. */
export interface CaptionAnnotations {
  readonly images?: readonly { readonly id: ImageId }[];
  readonly annotations: readonly CaptionResult[];
}

/** A file, or its value: `annotations`, and `images` where it has them. */
export type CaptionReferences = string | CaptionAnnotations | Readonly<Record<string, readonly object[]>>;

/** Captions of each image in the file's order, by `idKey`. */
export type CaptionsById = Map<string, { readonly id: ImageId; readonly captions: string[] }>;

/** Ids are compared as text without leading zeros: 42, "42" and "000042" are one image. */
export const idKey = (id: ImageId): string => String(id).replace(/^(-?)0+(?=\d+$)/, '$1');

/** @throws DataError naming the file, the entry's index and its key. */
export async function readResults(results: string | readonly object[]): Promise<CaptionResult[]> {
  const { value, where } = await open(results, 'the results');
  return captionsOf(value, where, '');
}

/**
 * Reference captions by image, in the order of `images` where the file has them.
 * @throws DataError naming the file, the entry's index and its key.
 */
export async function readReferences(groundTruth: CaptionReferences): Promise<CaptionsById> {
  const { value, where } = await open(groundTruth, 'the ground truth');
  if (!isRecord(value) || !Array.isArray(value.annotations)) {
    throw new DataError('the ground truth is no COCO caption file', {
      where,
      found: isRecord(value) ? `keys ${Object.keys(value).join(', ') || '(none)'}` : kindOf(value),
      allowed: '{ "images": [{ "id" }], "annotations": [{ "image_id", "caption" }] }',
      help: Array.isArray(value)
        ? "a list is what a dataset's annotation file or a result file holds; " +
          'without run.annotation_file the references of the dataset are taken'
        : undefined,
    });
  }
  const byId: CaptionsById = new Map();
  if (value.images !== undefined) {
    for (const id of imagesOf(value.images, where)) byId.set(idKey(id), { id, captions: [] });
  }
  for (const { image_id, caption } of captionsOf(value.annotations, where, 'annotations')) {
    const key = idKey(image_id);
    let entry = byId.get(key);
    if (!entry) byId.set(key, (entry = { id: image_id, captions: [] }));
    entry.captions.push(caption);
  }
  return byId;
}

async function open(source: unknown, what: string): Promise<{ value: unknown; where: string }> {
  if (typeof source !== 'string') return { value: source, where: `${what} given as a value` };
  const text = await readText(source, { what });
  return { value: parseJson(text, what, source), where: source };
}

function imagesOf(images: unknown, where: string): ImageId[] {
  if (!Array.isArray(images)) throw wrong(where, 'images', images, 'a list of { "id" }');
  const names = new Map<string, unknown>();
  const shared = new Set<ImageId>();
  const ids = images.map((image, i) => {
    const { id, file_name } = isRecord(image) ? image : {};
    if (!isId(id)) throw wrong(where, `images[${i}].id`, id, 'a number or a string');
    if (names.has(idKey(id)) && names.get(idKey(id)) !== file_name) shared.add(id);
    names.set(idKey(id), file_name);
    return id;
  });
  if (shared.size === 0) return ids;
  throw new DataError(`${counted(shared.size, 'id')} of several images each`, {
    where: `${where}, images`,
    found: some([...shared]),
    allowed: 'an id an image: captions find their image by it',
  });
}

function captionsOf(list: unknown, where: string, name: string): CaptionResult[] {
  if (!Array.isArray(list)) {
    throw wrong(where, name || 'the file', list, 'a list of { "image_id", "caption" }');
  }
  return list.map((entry, i) => {
    const at = `${name}[${i}]`;
    if (!isRecord(entry)) throw wrong(where, at, entry, '{ "image_id", "caption" }');
    const { image_id, caption } = entry;
    if (!isId(image_id)) throw wrong(where, `${at}.image_id`, image_id, 'a number or a string');
    if (typeof caption !== 'string') throw wrong(where, `${at}.caption`, caption, 'a string');
    return { image_id, caption };
  });
}

const wrong = (file: string, key: string, found: unknown, allowed: string) =>
  new DataError(`a caption file has a wrong or missing value`, {
    where: `${file}, ${key}`,
    found: found === undefined ? 'nothing' : kindOf(found),
    allowed,
  });

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isId = (value: unknown): value is ImageId => Number.isFinite(value) || typeof value === 'string';

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return `an object with ${Object.keys(value).join(', ') || 'no keys'}`;
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}
