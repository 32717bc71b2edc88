import { withoutImageEnding } from '../../processors/index.js';

/** Whether a name is an image file's, with Flickr8k's number of the text behind it or not: `a.jpg#0`. */
export function isImageFile(name: string): boolean {
  const file = name.replace(/#\d+$/, '');
  return withoutImageEnding(file) !== file;
}

/**
 * The evaluation id of an image: what follows the last "_" of its file name, its extension taken off, as
 * a number where it is one. The reference strips the characters ". j p g" from both ends instead, which
 * eats names such as `g123.jpg`. Source: COCOCapEvalDataset and CaptionTask.valid_step.
 */
export function imageId(file: string): number | string {
  const base = withoutImageEnding(file.slice(file.lastIndexOf('/') + 1));
  return numericId(base.slice(base.lastIndexOf('_') + 1));
}

/** Digits, with a sign or not, become a number; anything else stays as it is. */
export function numericId(id: string): number | string {
  const value = Number(id);
  return /^-?[0-9]+$/.test(id) && Number.isSafeInteger(value) ? value : id;
}

/** What may be an id in JSON. */
export const isId = (value: unknown): value is number | string =>
  typeof value === 'string' || Number.isFinite(value);
