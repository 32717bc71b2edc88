import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { counted, some } from '../../common/words.js';
import type { Annotation } from '../annotated/annotations.js';
import { isId, numericId } from '../annotated/image_id.js';

type Table = Readonly<Record<string, unknown>>;

/** Other programs' names for `file_name`. */
const NAMES = ['file_name', 'filename', 'file', 'path', 'image_path', 'image'];

/**
 * Captions with the names of their images, and the images' splits where they have some, from COCO's two
 * lists. Ids are one where their texts are ("0" and 0), or else their numbers ("00042" and 42).
 * @throws DataError for images without a name, ids of several images, captions whose image is not listed.
 */
export function fromCoco(
  images: readonly unknown[],
  annotations: readonly unknown[],
  file: string,
): Annotation[] {
  const captions = annotations.map(tableOf);
  refuseObjects(captions, file);
  const listed = new CocoImages(images.map(tableOf), file);
  const used = new Set<Table>();
  const entries = captions.map((annotation, index): Annotation => {
    const { image_id, ...texts } = annotation;
    const place = `${file}, annotations entry ${index}`;
    if (!isId(image_id)) throw lacking('annotation', 'image_id', annotation, place);
    const image = listed.find(image_id);
    if (!image) {
      throw new DataError("an annotation's image is not among the images", {
        where: place,
        found: `image_id ${JSON.stringify(image_id)}`,
        allowed: `ids of the ${counted(images.length, 'image')}: ${some(listed.ids)}`,
      });
    }
    used.add(image);
    const split = image.split === undefined ? {} : { split: image.split };
    return { values: { ...texts, image: nameOf(image), ...split }, file, index };
  });
  const left = images.length - used.size;
  if (left > 0) log.warn(`${file}: ${left} of ${images.length} images have no caption and are left out`);
  return entries;
}

/** COCO's images by their ids. */
class CocoImages {
  readonly #byText = new Map<string, Table>();
  /** Where only one image has the number. */
  readonly #byNumber = new Map<number | string, Table | undefined>();

  readonly ids: unknown[];

  constructor(images: readonly Table[], file: string) {
    this.ids = images.map(({ id }) => id);
    const nameless = images.findIndex((image) => nameOf(image) === undefined);
    if (nameless >= 0)
      throw lacking('image', 'file_name', images[nameless], `${file}, images entry ${nameless}`);
    const repeated = new Map<string, string[]>();
    for (const [i, image] of images.entries()) {
      const { id } = image;
      if (!isId(id)) throw lacking('image', 'id', image, `${file}, images entry ${i}`);
      const known = this.#byText.get(String(id));
      if (known && nameOf(known) !== nameOf(image)) {
        const names = repeated.get(String(id)) ?? [nameOf(known)!];
        repeated.set(String(id), [...names, nameOf(image)!]);
      }
      this.#byText.set(String(id), image);
      const number = numericId(String(id));
      this.#byNumber.set(number, this.#byNumber.has(number) ? undefined : image);
    }
    const [first] = repeated;
    if (!first) return;
    throw new DataError(`${counted(repeated.size, 'id')} of several images each`, {
      where: `${file}, images`,
      found: `${some([...repeated.keys()])}; ${first[0]} is ${first[1].join(' and ')}`,
      allowed: 'an id an image: captions find their image by it',
      help: 'renumber the images if several files were merged',
    });
  }

  find(id: number | string): Table | undefined {
    return this.#byText.get(String(id)) ?? this.#byNumber.get(numericId(String(id)));
  }
}

/** COCO's instances, keypoints and panoptic files have the two lists as well. */
function refuseObjects(captions: readonly Table[], file: string): void {
  if (captions.length === 0 || captions.some(({ caption }) => caption !== undefined)) return;
  const names = Object.keys(captions[0]);
  const objects = names.some((name) =>
    /^(category_id|bbox|segmentation|keypoints|segments_info)$/.test(name),
  );
  throw new DataError(
    objects ? 'a COCO file holds objects, not captions' : "the annotations of a COCO file have no 'caption'",
    {
      where: `${file}, annotations entry 0`,
      found: `keys ${names.join(', ')}`,
      allowed: '{"image_id": …, "caption": "…"}',
      help: objects ? "COCO's captions are in captions_train2017.json and captions_val2017.json" : undefined,
    },
  );
}

function lacking(what: string, key: string, value: object, where: string): DataError {
  return new DataError(`an ${what} of a COCO file lacks the key '${key}'`, {
    where,
    found: JSON.stringify(value).slice(0, 160),
    allowed: what === 'image' ? '{"id": …, "file_name": "…"}' : '{"image_id": …, "caption": "…"}',
  });
}

function nameOf(image: Table): string | undefined {
  return NAMES.map((name) => image[name]).find(
    (value): value is string => typeof value === 'string' && value.trim() !== '',
  );
}

/** What is not an object lacks every key. */
const tableOf = (value: unknown): Table =>
  typeof value === 'object' && value !== null ? (value as Table) : {};
