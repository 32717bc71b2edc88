import { resolve } from 'node:path';
import { DataError } from '../../common/errors.js';
import type { Rng } from '../../common/random.js';
import { collate } from '../loading/collate.js';
import type { Batch, Dataset, GroundTruth, ReaderSpec, Sample, SampleJob, SampleReader } from '../types.js';
import { type Annotation, requireKey } from './annotations.js';
import { CaptionReader, type CaptionRecord } from './caption_reader.js';
import { imageId, numericId } from './image_id.js';

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
    this.records = annotations.map((annotation, i) => this.toRecord(annotation, i));
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
    const reader = this.#reader;
    if (!(reader instanceof CaptionReader)) return files;
    for (const { image_id, image } of this.records) {
      if (image_id !== undefined) files.set(image_id, resolve(reader.folder, image));
    }
    return files;
  }

  collate(samples: Sample[]): Batch {
    return collate(samples);
  }
}

const sourceOf = ({ file, index }: Annotation) => `${file}, entry ${index}`;

/** Image and caption pairs for training: `image`, `text_input`, `image_id`. */
export class CaptionDataset extends AnnotatedDataset {
  protected toRecord(annotation: Annotation): CaptionRecord {
    return {
      image: requireKey(annotation, 'image', 'string'),
      caption: requireKey(annotation, 'caption', 'string'),
      image_id: requireKey(annotation, 'image_id', 'string', 'number'),
      source: sourceOf(annotation),
    };
  }
}

/** Image and caption pairs whose images have no id: `image`, `text_input`. */
export class ImageTextPairDataset extends AnnotatedDataset {
  protected toRecord(annotation: Annotation): CaptionRecord {
    return {
      image: requireKey(annotation, 'image', 'string'),
      caption: requireKey(annotation, 'caption', 'string'),
      source: sourceOf(annotation),
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
    where: sourceOf(annotation),
    found: JSON.stringify(wrong).slice(0, 160),
    allowed: '"caption": a string or a list of strings',
  });
}

/** One entry an image, with a list of captions to score against: `image`, `image_id`, `instance_id`. */
export class CaptionEvalDataset extends AnnotatedDataset {
  readonly #references: string[][];

  constructor(parts: CaptionDatasetParts) {
    super(parts);
    this.#references = parts.annotations.map(referencesOf);
  }

  protected toRecord(annotation: Annotation, position: number): CaptionRecord {
    const image = requireKey(annotation, 'image', 'string');
    return {
      image,
      image_id: this.idOf(annotation, image),
      instance_id: String(position),
      source: sourceOf(annotation),
    };
  }

  protected idOf(_annotation: Annotation, image: string): number | string {
    return imageId(image);
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

/** One's own images: the id stands in the annotation. */
export class CustomEvalDataset extends CaptionEvalDataset {
  protected override idOf(annotation: Annotation): number | string {
    return requireKey(annotation, 'image_id', 'string', 'number');
  }
}

/** nocaps names its images by `img_id`. */
export class NoCapsEvalDataset extends CaptionEvalDataset {
  protected override idOf(annotation: Annotation): number | string {
    return numericId(String(requireKey(annotation, 'img_id', 'string', 'number')));
  }
}
