import { resolve } from 'node:path';
import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import type { Rng } from '../../common/random.js';
import type { TextProcessor } from '../../processors/index.js';
import { collate } from '../loading/collate.js';
import { readerId } from '../loading/readers.js';
import type {
  Batch,
  Dataset,
  KeptImage,
  KeptImages,
  ReaderSpec,
  Sample,
  SampleJob,
  SampleReader,
  SampleSource,
} from '../types.js';
import { type Annotation, hasWords, isNothing, placeOf, requireKey } from './annotations.js';
import type { AnnotatedRecord } from './image_reader.js';

export interface DatasetParts {
  name: string;
  annotations: Annotation[];
  reader: SampleReader;
  readerSpec: ReaderSpec;
  /** What the reader processes texts by: for those that are not read with a sample. */
  textProcessor: TextProcessor;
  /** The split's files, annotations first. */
  files?: readonly string[];
  /** What reads an evaluation split as training would, nothing augmented. */
  asTrained?(): Pick<DatasetParts, 'reader' | 'readerSpec' | 'textProcessor'>;
}

/** What a builder makes of a split. */
export type DatasetClass<D extends AnnotatedDataset = AnnotatedDataset> = new (parts: DatasetParts) => D;

/** Annotations with a reader for their images; subclasses say how an annotation becomes a record. */
export abstract class AnnotatedDataset implements Dataset {
  readonly name: string;
  readonly records: AnnotatedRecord[];
  readonly readers: Readonly<Record<string, ReaderSpec>>;
  readonly #reader: SampleReader;
  readonly #readerId: string;
  #keptOf?: (file: string) => KeptImage;

  constructor(protected readonly parts: DatasetParts) {
    const { name, annotations, reader, readerSpec } = parts;
    this.name = name;
    this.#reader = reader;
    this.#readerId = readerId(readerSpec);
    this.readers = { [this.#readerId]: readerSpec };
    this.records = this.entriesOf(annotations).map((annotation, i) => this.toRecord(annotation, i));
  }

  /** What becomes a sample each, of what the files hold. */
  protected entriesOf(annotations: Annotation[]): Annotation[] {
    return annotations;
  }

  /** @param position of the sample in the dataset. @throws DataError when a key is missing. */
  protected abstract toRecord(annotation: Annotation, position: number): AnnotatedRecord;

  get length(): number {
    return this.records.length;
  }

  get(index: number, rng: Rng): Promise<Sample> {
    return this.#reader.read(this.records[index], rng, this.#keptImages(index));
  }

  job(index: number): SampleJob {
    return { reader: this.#readerId, record: this.records[index], kept: this.#keptImages(index) };
  }

  remember(keptOf: ((file: string) => KeptImage) | undefined): void {
    this.#keptOf = keptOf;
  }

  #keptImages(index: number): KeptImages | undefined {
    const { folder, images } = this.#reader;
    const keptOf = this.#keptOf;
    if (!keptOf || !images || folder === undefined) return undefined;
    const record = this.records[index];
    return Object.fromEntries(images.map((key) => [key, keptOf(resolve(folder, String(record[key])))]));
  }

  imageFiles(): Map<number | string, readonly string[]> {
    const { folder, images = [] } = this.#reader;
    const files = new Map<number | string, readonly string[]>();
    if (images.length === 0 || folder === undefined) return files;
    for (const record of this.records) {
      const id = this.resultIdOf(record);
      if (id !== undefined) {
        files.set(
          id,
          images.map((key) => resolve(folder, String(record[key]))),
        );
      }
    }
    return files;
  }

  /** What names a sample in results: the first kind of id that it has. */
  protected resultIdOf({
    image_id,
    question_id,
    index,
    instance_id,
  }: AnnotatedRecord): number | string | undefined {
    return (image_id ?? question_id ?? index ?? instance_id) as number | string | undefined;
  }

  /** An entry for each image of each sample. */
  *sources(): Generator<SampleSource> {
    const { folder, images = [] } = this.#reader;
    for (const record of this.records) {
      for (const key of images) {
        const image = String(record[key]);
        const file = folder === undefined ? undefined : resolve(folder, image);
        yield { image_id: record.image_id, image, folder, file, source: record.source };
      }
    }
  }

  collate(samples: Sample[]): Batch {
    return collate(samples);
  }

  /** A dataset of some annotations as training sees them, with what is remembered of their images. */
  protected asTrained<D extends AnnotatedDataset>(Kind: DatasetClass<D>, annotations: Annotation[]): D {
    const dataset = new Kind({ ...this.parts, ...this.parts.asTrained?.(), annotations });
    dataset.remember(this.#keptOf);
    return dataset;
  }
}

/** A text that an annotation must have. */
export const textOf = (annotation: Annotation, key: string): string => requireKey(annotation, key, 'string');

/**
 * The texts under a key: a string, or a list of strings; none where it is absent or null.
 * @throws DataError for anything else
 */
export function textsOf(annotation: Annotation, key: string): string[] {
  const value = annotation.values[key] ?? [];
  const texts: unknown[] = Array.isArray(value) ? value : [value];
  const wrong = texts.find((one) => typeof one !== 'string');
  if (wrong === undefined) return texts as string[];
  throw new DataError(`an annotation's '${key}' is not text`, {
    where: placeOf(annotation),
    found: JSON.stringify(wrong).slice(0, 160),
    allowed: `"${key}": a string or a list of strings`,
  });
}

/** Texts of punctuation alone are trained on as empty ones, as the reference does, and "nan" as a word; say so. */
export function warnOfWordless({ name, records }: AnnotatedDataset, what: string): void {
  const empty = records.filter(
    ({ text_input: text }) => typeof text === 'string' && (!hasWords(text) || isNothing(text)),
  );
  if (empty.length === 0) return;
  const [{ text_input, source }] = empty;
  log.warn(
    `${name}: ${empty.length} of ${records.length} ${what} have no word: ${JSON.stringify(text_input)} in ${source}, for one`,
  );
}
