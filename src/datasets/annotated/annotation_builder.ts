import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { cachePath, cacheRoot, expandHome } from '../../common/paths.js';
import type { DatasetBuilder, Splits } from '../builder.js';
import type { AnnotatedDataset, CaptionDatasetParts } from '../caption/caption_dataset.js';
import type { ReaderSpec, SampleReader, Split } from '../types.js';
import { type Annotation, hasWords, readAnnotations } from './annotations.js';
import { type AnnotationFile, annotationFiles, type DatasetSection, imageFolder } from './build_info.js';
import { fetchAnnotations, type Missing } from './fetch_annotations.js';
import { CaptionReader } from './image_reader.js';
import { nearMiss } from './near_miss.js';
import { processorsOf } from './processors.js';
import { captionDatasetSchema } from './schema.js';

/** The annotations of each split, or what is missing of them. */
export interface Prepared {
  annotations: Map<Split, Annotation[]>;
  missing: Missing[];
}

type DatasetClass = new (parts: CaptionDatasetParts) => AnnotatedDataset;

/**
 * Base of builders whose captions lie in annotation files and whose images lie in one folder. A subclass
 * names itself, its dataset classes and its default configuration.
 */
export abstract class CaptionBuilder implements DatasetBuilder {
  /** The keys that a section has; a subclass with keys of its own extends it. */
  static readonly configSchema: z.ZodObject = captionDatasetSchema;
  abstract readonly name: string;
  protected readonly trainDataset?: DatasetClass;
  protected readonly evalDataset?: DatasetClass;
  /** What to do when the image folder is missing. */
  protected readonly imageHelp?: string;

  constructor(readonly section: DatasetSection) {}

  static fromConfig(
    this: new (
      section: DatasetSection,
    ) => CaptionBuilder,
    section: DatasetSection,
  ): CaptionBuilder {
    return new this(section);
  }

  async buildDatasets(splits?: readonly Split[]): Promise<Splits> {
    const { annotations, missing } = await this.prepare(splits);
    this.#refuse(missing);
    const datasets: Splits = {};
    for (const [split, list] of annotations) {
      const DatasetClass = this.#datasetOf(split);
      if (DatasetClass) datasets[split] = this.#build(DatasetClass, split, list);
    }
    return datasets;
  }

  reader(split: Split): SampleReader {
    const { image, text } = processorsOf(this.section, this.name, split);
    return new CaptionReader(this.folder, image, text);
  }

  /** The annotations of the wanted splits, fetched where they are absent; a subclass may make them. */
  protected async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const files = annotationFiles(this.section, this.name);
    for (const split of files.keys()) {
      if ((splits && !splits.includes(split)) || !this.#datasetOf(split)) files.delete(split);
    }
    const missing = await fetchAnnotations(this.name, files);
    const annotations = new Map<Split, Annotation[]>();
    if (missing.length > 0) return { annotations, missing };
    for (const [split, list] of files) annotations.set(split, await this.readFiles(split, list));
    return { annotations, missing };
  }

  /** @throws DataError for a file that cannot be used, or when there is no entry at all. */
  protected async readFiles(split: Split, files: AnnotationFile[]): Promise<Annotation[]> {
    const annotations = await readAnnotations(files.map(({ path }) => path));
    if (annotations.length > 0) return annotations;
    throw new DataError(`the dataset ${this.name} ${split} is empty`, {
      where: files.map(({ path }) => path).join('\n'),
      help: `--options ${files[0].option}`,
    });
  }

  /** Where a path of the configuration leads. */
  protected locate(path: string): string {
    return cachePath(path);
  }

  /** What relative paths of the configuration are relative to, for messages. */
  protected get base(): string {
    return `the cache root, ${cacheRoot()}`;
  }

  protected get folder(): string {
    return this.locate(imageFolder(this.section, this.name));
  }

  #datasetOf(split: Split): DatasetClass | undefined {
    return split === 'train' ? this.trainDataset : this.evalDataset;
  }

  #build(DatasetClass: DatasetClass, split: Split, annotations: Annotation[]): AnnotatedDataset {
    const name = `${this.name} ${split}`;
    const readerSpec: ReaderSpec = { builder: this.name, section: this.section, split };
    const dataset = new DatasetClass({ name, annotations, reader: this.reader(split), readerSpec });
    this.#checkSomeImages(dataset);
    warnOfEmpty(dataset);
    return dataset;
  }

  /** One message for everything that is missing, the image folder included. */
  #refuse(missing: Missing[]): void {
    const all = [...missing];
    if (!existsSync(this.folder)) {
      const given = imageFolder(this.section, this.name);
      const from = isAbsolute(expandHome(given)) ? '' : `: '${given}' is looked for in ${this.base}`;
      all.push({ path: this.folder, found: `no image folder${from}`, help: this.#imageHelp() });
    }
    if (all.length === 0) return;
    throw new DataError(`the data of ${this.name} is not there`, {
      where: all.map(({ path }) => `looked at ${path}`).join('\n'),
      found: all.map(({ found }) => found).join('\n'),
      help: all.map(({ help }) => help).join('\n'),
      cause: missing.find(({ cause }) => cause !== undefined)?.cause,
    });
  }

  /** A folder that holds none of a few images is the wrong folder: better said now than in the first step. */
  #checkSomeImages({ name, records }: AnnotatedDataset): void {
    const some = [0, 0.2, 0.4, 0.6, 0.8].map((part) => records[Math.floor(part * records.length)]);
    if (some.some(({ image }) => existsSync(resolve(this.folder, image)))) return;
    const [{ image, source }] = some;
    const near = nearMiss(this.folder, image);
    throw new DataError(`the image folder holds none of the images of ${name}`, {
      where: `${this.folder}\n${source}`,
      found: [`no '${image}', for one`, near?.found].filter(Boolean).join('\n'),
      help: near
        ? (near.help ?? 'mend the names in the annotations, or rename the files')
        : this.#imageHelp(),
    });
  }

  #imageHelp(): string {
    const elsewhere = `--options datasets.${this.name}.build_info.images.storage=/path/to/images`;
    return this.imageHelp ? `${this.imageHelp}, or ${elsewhere}` : elsewhere;
  }
}

/** Captions of punctuation alone are trained on as empty ones, as the reference does. */
function warnOfEmpty({ name, records }: AnnotatedDataset): void {
  const empty = records.filter(({ caption }) => caption !== undefined && !hasWords(caption));
  if (empty.length === 0) return;
  const [{ caption, source }] = empty;
  log.warn(
    `${name}: ${empty.length} of ${records.length} captions have no word: ${JSON.stringify(caption)} in ${source}, for one`,
  );
}
