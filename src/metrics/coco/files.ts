import { readFile } from 'node:fs/promises';
import { DataError, messageOf } from '../../common/errors.js';
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

/** Captions of each image in the file's order; ids are compared as text, so 42 and "42" are one image. */
export type CaptionsById = Map<string, { readonly id: ImageId; readonly captions: string[] }>;

/** @throws DataError naming the file, the entry's index and its key. */
export async function readResults(results: string | readonly object[]): Promise<CaptionResult[]> {
  const { value, where } = await open(results, 'the results');
  return captionsOf(value, where, '');
}

/**
 * Reference captions by image, in the order of `images` where the file has them.
 * @throws DataError naming the file, the entry's index and its key.
 */
export async function readReferences(groundTruth: string | CaptionAnnotations): Promise<CaptionsById> {
  const { value, where } = await open(groundTruth, 'the ground truth');
  if (!isRecord(value) || !Array.isArray(value.annotations)) {
    throw new DataError('the ground truth is no COCO caption file', {
      where,
      found: isRecord(value) ? `keys ${Object.keys(value).join(', ') || '(none)'}` : kindOf(value),
      allowed: '{ "images": [{ "id" }], "annotations": [{ "image_id", "caption" }] }',
    });
  }
  const byId: CaptionsById = new Map();
  if (value.images !== undefined) {
    for (const id of imagesOf(value.images, where)) byId.set(String(id), { id, captions: [] });
  }
  for (const { image_id, caption } of captionsOf(value.annotations, where, 'annotations')) {
    const key = String(image_id);
    let entry = byId.get(key);
    if (!entry) byId.set(key, (entry = { id: image_id, captions: [] }));
    entry.captions.push(caption);
  }
  return byId;
}

async function open(source: unknown, what: string): Promise<{ value: unknown; where: string }> {
  if (typeof source !== 'string') return { value: source, where: `${what} given as a value` };
  let content: string;
  try {
    content = await readFile(source, 'utf8');
  } catch (cause) {
    throw new DataError(`${what} cannot be read`, { where: source, found: messageOf(cause), cause });
  }
  try {
    return { value: JSON.parse(content), where: source };
  } catch (cause) {
    throw new DataError(`${what} is not JSON`, { where: source, found: messageOf(cause), cause });
  }
}

function imagesOf(images: unknown, where: string): ImageId[] {
  if (!Array.isArray(images)) throw wrong(where, 'images', images, 'a list of { "id" }');
  return images.map((image, i) => {
    const id = isRecord(image) ? image.id : undefined;
    if (!isId(id)) throw wrong(where, `images[${i}].id`, id, 'a number or a string');
    return id;
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

const isId = (value: unknown): value is ImageId => typeof value === 'number' || typeof value === 'string';

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return `an object with ${Object.keys(value).join(', ') || 'no keys'}`;
  return JSON.stringify(value);
}
