import { log } from '../../common/logging.js';
import { AnnotatedDataset, type DatasetParts, textOf, textsOf } from '../annotated/annotated_dataset.js';
import { type Annotation, placeOf, requireKey } from '../annotated/annotations.js';
import { imageId, isId, numericId } from '../annotated/image_id.js';
import type { AnnotatedRecord } from '../annotated/image_reader.js';

/** COCO's ground-truth file: what captions are scored against. */
export type CaptionTruth = {
  annotations: { image_id: number | string; caption: string; id: number }[];
  images: { id: number | string }[];
};

/** Image and caption pairs for training: `image`, `text_input`, `image_id`; `prompt` where pictures have their own. */
export class CaptionDataset extends AnnotatedDataset {
  protected toRecord(annotation: Annotation): AnnotatedRecord {
    return {
      image: textOf(annotation, 'image'),
      text_input: textOf(annotation, 'caption'),
      image_id: requireKey(annotation, 'image_id', 'string', 'number'),
      ...promptOf(annotation),
      source: placeOf(annotation),
    };
  }
}

/** Image and caption pairs whose images have no id: `image`, `text_input`. */
export class ImageTextPairDataset extends AnnotatedDataset {
  protected toRecord(annotation: Annotation): AnnotatedRecord {
    return {
      image: textOf(annotation, 'image'),
      text_input: textOf(annotation, 'caption'),
      source: placeOf(annotation),
    };
  }
}

/** A prompt of the picture's own; null where others have one. */
function promptOf({ values: { prompt } }: Annotation): Pick<AnnotatedRecord, 'prompt'> {
  return typeof prompt === 'string' || prompt === null ? { prompt } : {};
}

/** Told now, not after an epoch and an evaluation, where they cannot be scored against. */
const referencesOf = (annotation: Annotation): string[] => textsOf(annotation, 'caption');

/**
 * One sample an image, with a list of captions to score against: `image`, `image_id`, `instance_id`. Entries
 * of one image are put together. The id is the number in the image's name; where two images would share one,
 * the annotations' own `image_id`, or else the path: one caption would be dropped, and references mixed.
 */
export class CaptionEvalDataset extends AnnotatedDataset {
  readonly #references: string[][];

  constructor(parts: DatasetParts) {
    super(parts);
    const entries = this.entriesOf(parts.annotations);
    this.#references = entries.map(referencesOf);
    const ids = this.distinctIds(entries);
    for (const [i, record] of this.records.entries()) record.image_id = ids[i];
  }

  protected override entriesOf(annotations: Annotation[]): Annotation[] {
    const byImage = new Map<string, Annotation>();
    for (const annotation of annotations) {
      const image = textOf(annotation, 'image');
      const captions = referencesOf(annotation);
      const key = JSON.stringify([this.idOf(annotation, image), image]);
      const known = byImage.get(key);
      if (known) (known.values.caption as string[]).push(...captions);
      else byImage.set(key, { ...annotation, values: { ...annotation.values, caption: [...captions] } });
    }
    return [...byImage.values()];
  }

  protected toRecord(annotation: Annotation, position: number): AnnotatedRecord {
    const image = textOf(annotation, 'image');
    return {
      image,
      image_id: this.idOf(annotation, image),
      instance_id: String(position),
      ...promptOf(annotation),
      source: placeOf(annotation),
    };
  }

  protected idOf(_annotation: Annotation, image: string): number | string {
    return imageId(image);
  }

  /** The id of each sample; two images have different ones. */
  protected distinctIds(entries: readonly Annotation[]): (number | string)[] {
    const byName = this.records.map(({ image_id }) => image_id!);
    if (new Set(byName).size === byName.length) return byName;
    const own = entries.map(({ values: { image_id } }) =>
      isId(image_id) ? numericId(String(image_id)) : '',
    );
    const given = !own.includes('') && new Set(own).size === own.length;
    log.info(
      `${this.name}: images share the numbers of their names; ` +
        `their ids are ${given ? "the annotations' image_id" : 'their paths'}`,
    );
    return given ? own : this.records.map(({ image }) => String(image));
  }

  /** A sample for each caption: those of an image next to each other. */
  trainingForm(): CaptionDataset {
    const entries = this.entriesOf(this.parts.annotations);
    const annotations = entries.flatMap((entry, i) => {
      const { image_id } = this.records[i];
      return this.#references[i].map((caption) => ({
        ...entry,
        values: { ...entry.values, image_id, caption },
      }));
    });
    return this.asTrained(CaptionDataset, annotations);
  }

  /** What the captions are scored against; undefined where the annotations carry none (nocaps, test). */
  groundTruth(): CaptionTruth | undefined {
    const annotations: CaptionTruth['annotations'] = [];
    const ids = new Set<number | string>();
    for (const [i, captions] of this.#references.entries()) {
      const image_id = this.records[i].image_id!;
      for (const caption of captions) {
        annotations.push({ image_id, caption, id: annotations.length });
        ids.add(image_id);
      }
    }
    return annotations.length ? { annotations, images: [...ids].map((id) => ({ id })) } : undefined;
  }
}

/** Images with ids of their own: these stand, and what shares one is refused before it is evaluated. */
abstract class NumberedEvalDataset extends CaptionEvalDataset {
  protected override distinctIds(): (number | string)[] {
    return this.records.map(({ image_id }) => image_id!);
  }
}

/** One's own images: the id stands in the annotation. */
export class CustomEvalDataset extends NumberedEvalDataset {
  protected override idOf(annotation: Annotation): number | string {
    return requireKey(annotation, 'image_id', 'string', 'number');
  }
}

/** nocaps names its images by `img_id`. */
export class NoCapsEvalDataset extends NumberedEvalDataset {
  protected override idOf(annotation: Annotation): number | string {
    return numericId(String(requireKey(annotation, 'img_id', 'string', 'number')));
  }
}
