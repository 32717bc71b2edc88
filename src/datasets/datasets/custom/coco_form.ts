import { DataError } from '../../../common/errors.js';
import type { Annotation } from '../annotations.js';

export interface CocoImage {
  id: number | string;
  file_name: string;
}

export interface CocoCaption {
  image_id: number | string;
  caption: string;
}

/**
 * Captions with the names of their images, from COCO's two lists.
 * @throws DataError for a caption whose image is not listed.
 */
export function fromCoco(images: CocoImage[], captions: CocoCaption[], file: string): Annotation[] {
  const names = new Map(images.map(({ id, file_name }) => [id, file_name]));
  return captions.map(({ image_id, caption }, index) => {
    const image = names.get(image_id);
    if (image !== undefined) return { values: { image, caption }, file, index };
    throw new DataError("an annotation's image is not among the images", {
      where: `${file}, annotations entry ${index}`,
      found: `image_id ${image_id}`,
    });
  });
}
