import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { ConfigError, DataError } from '../../common/errors.js';
import { cachePath, cacheRoot, expandHome } from '../../common/paths.js';
import type { DownloadItem } from '../../fetch/index.js';
import type { BuilderClass, DatasetBuilder, Splits } from '../builder.js';
import type { ReaderSpec, SampleReader, Split } from '../types.js';
import type { AnnotatedDataset, DatasetClass, DatasetParts } from './annotated_dataset.js';
import { type Annotation, readAnnotations } from './annotations.js';
import {
  type AnnotationFile,
  annotatedSchema,
  annotationFiles,
  type DatasetSection,
  imageFolder,
} from './build_info.js';
import { annotationItems, type ImageSource, imageItems } from './downloads.js';
import { fetchAnnotations, type Missing } from './fetch_annotations.js';
import {
  IMAGE_AND_TEXT,
  ImageReader,
  processorsOf,
  type SampleKeys,
  withTrainedTexts,
} from './image_reader.js';
import { nearMiss } from './near_miss.js';

/** The annotations of each split, or what is missing of them. */
export interface Prepared {
  annotations: Map<Split, Annotation[]>;
  missing: Missing[];
}

/**
 * Base of builders whose samples lie in annotation files and whose images lie in one folder. A subclass names
 * itself, its dataset classes and its default configuration; a kind of samples has a base of its own.
 */
export abstract class AnnotationBuilder implements DatasetBuilder {
  /** The keys of a section; subclasses extend it with their own. */
  static readonly configSchema: z.ZodObject = annotatedSchema;
  abstract readonly name: string;
  protected readonly trainDataset?: DatasetClass;
  protected readonly evalDataset?: DatasetClass;
  /** Where the images come from, where they can be fetched or asked for. */
  protected readonly imageSource?: ImageSource;
  /** What of a record is read and processed. */
  protected readonly keys: SampleKeys = IMAGE_AND_TEXT;

  /** Where the files of a split were found. */
  readonly #files = new Map<Split, string[]>();

  constructor(readonly section: DatasetSection) {}

  static fromConfig(
    this: new (
      section: DatasetSection,
    ) => AnnotationBuilder,
    section: DatasetSection,
  ): AnnotationBuilder {
    return new this(section);
  }

  async buildDatasets(splits?: readonly Split[]): Promise<Splits> {
    const { annotations, missing } = await this.prepare(splits);
    this.#refuse(missing);
    const datasets: Splits = {};
    for (const [split, list] of annotations) {
      const DatasetClass = this.#datasetOf(split);
      if (DatasetClass) datasets[split] = await this.#build(DatasetClass, split, list);
    }
    return datasets;
  }

  /** What of the wanted splits comes from the net: annotations, and the images where these are handed out. */
  downloads(splits: readonly Split[]): DownloadItem[] {
    return [
      ...annotationItems(this.section, this.name, splits),
      ...imageItems(this.section, this.name, splits, this.imageSource),
    ];
  }

  reader(split: Split): SampleReader {
    const { image, text } = processorsOf(this.section, this.name, split);
    return new ImageReader(this.folder, image, text, this.keys);
  }

  /** The annotations of the wanted splits, fetched where they are absent; a subclass may make them. */
  protected async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const files = annotationFiles(this.section, this.name);
    for (const [split, list] of files) {
      if ((splits && !splits.includes(split)) || !this.#datasetOf(split)) files.delete(split);
      else if (list.length === 0) throw this.#unnamed(`annotations.${split}`, 'a path or a list of paths');
    }
    const missing = await fetchAnnotations(this.name, files);
    const annotations = new Map<Split, Annotation[]>();
    if (missing.length > 0) return { annotations, missing };
    for (const [split, list] of files) {
      this.#files.set(
        split,
        list.map(({ path }) => path),
      );
      annotations.set(split, await this.readFiles(split, list));
    }
    return { annotations, missing };
  }

  /** @throws DataError for a file that cannot be used or has no entries. */
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
    return this.locate(this.#givenFolder);
  }

  /** As the configuration has it. */
  get #givenFolder(): string {
    const { storage, dataType } = imageFolder(this.section, this.name);
    if (storage) return storage;
    throw this.#unnamed(dataType, 'a folder');
  }

  #unnamed(key: string, allowed: string): ConfigError {
    const where = `datasets.${this.name}.build_info.${key}`;
    return new ConfigError(`${where} does not say where the data is`, {
      where,
      allowed: `storage: ${allowed}`,
    });
  }

  #datasetOf(split: Split): DatasetClass | undefined {
    return split === 'train' ? this.trainDataset : this.evalDataset;
  }

  async #build(
    DatasetClass: DatasetClass,
    split: Split,
    annotations: Annotation[],
  ): Promise<AnnotatedDataset> {
    const parts = {
      name: `${this.name} ${split}`,
      annotations,
      ...this.#reading(split),
      files: this.#files.get(split),
      asTrained: () => this.#readingAsTrained(split),
    };
    const dataset = new DatasetClass(await this.complete(parts, split));
    this.#checkSomeImages(dataset);
    this.checkDataset(dataset);
    return dataset;
  }

  #reading(split: Split) {
    const readerSpec: ReaderSpec = { builder: this.name, section: this.section, split };
    const { text: textProcessor } = processorsOf(this.section, this.name, split);
    return { reader: this.reader(split), readerSpec, textProcessor };
  }

  /** Images of an evaluation split as ever, texts as in training: what a loss takes has the prompt in front. */
  #readingAsTrained(split: Split) {
    const Builder = this.constructor as unknown as Pick<BuilderClass, 'fromConfig'>;
    const section = withTrainedTexts(this.section, this.name);
    return (Builder.fromConfig(section) as AnnotationBuilder).#reading(split);
  }

  /** What else the dataset of a split is made of; a subclass whose datasets take more adds it here. */
  protected async complete(parts: DatasetParts, _split: Split): Promise<DatasetParts> {
    return parts;
  }

  /** What else there is to say of a split before it is used. */
  protected checkDataset(_dataset: AnnotatedDataset): void {}

  /** One message for everything that is missing, the image folder included. */
  #refuse(missing: Missing[]): void {
    const all = [...missing];
    if (!existsSync(this.folder)) {
      const given = this.#givenFolder;
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
    const [key] = this.keys.images;
    const some = [0, 0.2, 0.4, 0.6, 0.8].map((part) => records[Math.floor(part * records.length)]);
    if (some.some((record) => existsSync(resolve(this.folder, String(record[key]))))) return;
    const image = String(some[0][key]);
    const { source } = some[0];
    const near = nearMiss(this.folder, image);
    throw new DataError(`the image folder holds none of the images of ${name}`, {
      where: `${this.folder}\n${source}`,
      found: [`no '${image}', for one`, near?.found].filter(Boolean).join('\n'),
      help: near
        ? (near.help ?? 'correct the names in the annotations, or rename the files')
        : this.#imageHelp(),
    });
  }

  #imageHelp(): string {
    const elsewhere = `--options ${imageFolder(this.section, this.name).option}`;
    const help = this.imageSource?.help;
    return help ? `${help}, or ${elsewhere}` : elsewhere;
  }
}
