import { resolve } from 'node:path';
import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import type { Rng } from '../../common/random.js';
import { type Annotation, placeOf, requireKey } from '../annotated/annotations.js';
import { imageId, isId, numericId } from '../annotated/image_id.js';
import { CaptionReader, type CaptionRecord } from '../annotated/image_reader.js';
import { collate } from '../loading/collate.js';
import type {
  Batch,
  Dataset,
  GroundTruth,
  ReaderSpec,
  Sample,
  SampleJob,
  SampleReader,
  SampleSource,
} from '../types.js';

export interface CaptionDatasetParts {
  name: string;
  annotations: Annotation[];
  reader: SampleReader;
  readerSpec: ReaderSpec;
}

/** Annotations with a reader for their images; subclasses say how an annotation becomes a record. */
export abstract class AnnotatedDataset implements Dataset {
  readonly name: string;
  readonly records: CaptionRecord[];
  readonly #reader: SampleReader;
  readonly #readerKey: string;

  constructor({ name, annotations, reader, readerSpec }: CaptionDatasetParts) {
    this.name = name;
    this.#reader = reader;
    this.#readerKey = JSON.stringify(readerSpec);
    this.records = this.entriesOf(annotations).map((annotation, i) => this.toRecord(annotation, i));
  }

  /** What becomes a sample each, of what the files hold. */
  protected entriesOf(annotations: Annotation[]): Annotation[] {
    return annotations;
  }

  /** @param position of the sample in the dataset. @throws DataError when a key is missing. */
  protected abstract toRecord(annotation: Annotation, position: number): CaptionRecord;

  get length(): number {
    return this.records.length;
  }

  get(index: number, rng: Rng): Promise<Sample> {
    return this.#reader.read(this.records[index], rng);
  }

  job(index: number): SampleJob {
    return { reader: this.#readerKey, record: this.records[index] };
  }

  imageFiles(): Map<number | string, string> {
    const files = new Map<number | string, string>();
    for (const { image_id, file } of this.sources()) {
      if (image_id !== undefined && file !== undefined) files.set(image_id, file);
    }
    return files;
  }

  *sources(): Generator<SampleSource> {
    const reader = this.#reader;
    const folder = reader instanceof CaptionReader ? reader.folder : undefined;
    for (const { image_id, image, source } of this.records) {
      const file = folder === undefined ? undefined : resolve(folder, image);
      yield { image_id, image, folder, file, source };
    }
  }

  collate(samples: Sample[]): Batch {
    return collate(samples);
  }
}

/** Image and caption pairs for training: `image`, `text_input`, `image_id`. */
export class CaptionDataset extends AnnotatedDataset {
  protected toRecord(annotation: Annotation): CaptionRecord {
    return {
      image: requireKey(annotation, 'image', 'string'),
      caption: requireKey(annotation, 'caption', 'string'),
      image_id: requireKey(annotation, 'image_id', 'string', 'number'),
      source: placeOf(annotation),
    };
  }
}

/** Image and caption pairs whose images have no id: `image`, `text_input`. */
export class ImageTextPairDataset extends AnnotatedDataset {
  protected toRecord(annotation: Annotation): CaptionRecord {
    return {
      image: requireKey(annotation, 'image', 'string'),
      caption: requireKey(annotation, 'caption', 'string'),
      source: placeOf(annotation),
    };
  }
}

/** @throws DataError now, not after an epoch and an evaluation, for captions that cannot be scored against. */
function referencesOf(annotation: Annotation): string[] {
  const { caption = null } = annotation.values;
  const captions: unknown[] = Array.isArray(caption) ? caption : caption === null ? [] : [caption];
  const wrong = captions.find((one) => typeof one !== 'string');
  if (wrong === undefined) return captions as string[];
  throw new DataError("an annotation's captions are no texts", {
    where: placeOf(annotation),
    found: JSON.stringify(wrong).slice(0, 160),
    allowed: '"caption": a string or a list of strings',
  });
}

/**
 * One sample an image, with a list of captions to score against: `image`, `image_id`, `instance_id`. Entries
 * of one image are put together. The id is the number in the image's name; where two images would share one,
 * the annotations' own `image_id`, or else the path: one caption would be dropped, and references mixed.
 */
export class CaptionEvalDataset extends AnnotatedDataset {
  readonly #references: string[][];

  constructor(parts: CaptionDatasetParts) {
    super(parts);
    const entries = this.entriesOf(parts.annotations);
    this.#references = entries.map(referencesOf);
    const ids = this.distinctIds(entries);
    for (const [i, record] of this.records.entries()) record.image_id = ids[i];
  }

  protected override entriesOf(annotations: Annotation[]): Annotation[] {
    const byImage = new Map<string, Annotation>();
    for (const annotation of annotations) {
      const image = requireKey(annotation, 'image', 'string');
      const captions = referencesOf(annotation);
      const key = JSON.stringify([this.idOf(annotation, image), image]);
      const known = byImage.get(key);
      if (known) (known.values.caption as string[]).push(...captions);
      else byImage.set(key, { ...annotation, values: { ...annotation.values, caption: [...captions] } });
    }
    return [...byImage.values()];
  }

  protected toRecord(annotation: Annotation, position: number): CaptionRecord {
    const image = requireKey(annotation, 'image', 'string');
    return {
      image,
      image_id: this.idOf(annotation, image),
      instance_id: String(position),
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
    return given ? own : this.records.map(({ image }) => image);
  }

  /** What the captions are scored against; undefined where the annotations carry none (nocaps, test). */
  groundTruth(): GroundTruth | undefined {
    const annotations: GroundTruth['annotations'] = [];
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
