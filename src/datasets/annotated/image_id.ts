const EXTENSION = /(\.(jpe?g|png|gif|bmp|webp|tiff?|avif))+$/i;

/** The name of an image file, with Flickr8k's number of the caption behind it or not. */
export const IMAGE_FILE = /\.(jpe?g|jpe|jfif|png|gif|bmp|webp|tiff?|avif|heic|heif)(#\d+)?$/i;

/**
 * The evaluation id of an image: what follows the last "_" of its file name, its extension taken off, as
 * a number where it is one. The reference strips the characters ". j p g" from both ends instead, which
 * eats names such as `g123.jpg`. Source: COCOCapEvalDataset and CaptionTask.valid_step.
 */
export function imageId(file: string): number | string {
  const base = file.slice(file.lastIndexOf('/') + 1).replace(EXTENSION, '');
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
