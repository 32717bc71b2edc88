import { DataError } from '../../common/errors.js';

/**
 * Images with their captions from the `data` of TextCaps: an entry a caption, or an image, with all captions of
 * the image under `reference_strs` beside its own under `caption_str`.
 * @throws DataError for an entry without an image
 */
export function fromTextCaps(
  data: readonly Record<string, unknown>[],
  file: string,
): Record<string, unknown>[] {
  const images = new Map<string, { captions: Set<unknown>; split: unknown }>();
  for (const [i, entry] of data.entries()) {
    const { image_path, image_name, image_id, caption_str, reference_strs, set_name } = entry;
    const image = [image_path, image_name, image_id].find((one) => typeof one === 'string' && one !== '');
    if (typeof image !== 'string') {
      throw new DataError('an entry of TextCaps names no image', {
        where: `${file}, data entry ${i}`,
        found: JSON.stringify(entry).slice(0, 160),
        allowed: 'image_path, image_name or image_id',
      });
    }
    const name = /\.\w+$/.test(image) ? image : `${image}.jpg`;
    const known = images.get(name) ?? { captions: new Set(), split: set_name };
    images.set(name, known);
    if (caption_str !== undefined) known.captions.add(caption_str);
    if (Array.isArray(reference_strs)) for (const one of reference_strs) known.captions.add(one);
  }
  return [...images].map(([image, { captions, split }]) => ({
    image,
    caption: [...captions],
    ...(split === undefined ? {} : { split }),
  }));
}
