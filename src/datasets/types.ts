import type { Rng } from '../common/random.js';
import type { ImageProcessor } from '../processors/index.js';

/** `train`, `val` and `test`; a builder may have others. */
export type Split = string;

/** Numbers with their shape, row-major, in host memory: an image [H, W, 3], for one. */
export interface NumericArray {
  data: Float32Array | Int32Array;
  shape: readonly number[];
}

/** One example in host memory, by the reference's keys: `image`, `text_input`, `image_id` … */
export type Sample = Record<string, unknown>;

/** Samples put together: numeric arrays stacked [B, …], of every other key a list of the B values. */
export type Batch = Record<string, unknown>;

/** Makes a sample of a record; lives in the main thread or in a worker. */
export interface SampleReader {
  /**
   * @param kept embeddings that stand in for images, by the keys of the record
   * @throws DataError when an image of the record cannot be read.
   */
  read(record: SampleRecord, rng: Rng, kept?: KeptImages): Promise<Sample>;
  /** The image processor, which turns image files into pixels. */
  readonly imageProcessor?: ImageProcessor;
  /** The keys of a record that name image files, and the folder that these are relative to; where it has some. */
  readonly images?: readonly string[];
  readonly folder?: string;
}

/** What is known of a sample before its images are read: plain data. */
export type SampleRecord = Record<string, unknown>;

/** How a worker makes a reader: `registry.getBuilderClass(builder).fromConfig(section).reader(split)`. */
export interface ReaderSpec {
  builder: string;
  section: unknown;
  split: Split;
}

/** Embeddings that were kept of an image; in a sample they are `<key>_embeds`, and `<key>` is left out. */
export interface KeptImage {
  /** Where they lie. */
  folder: string;
  /** Hash of the image's file; undefined for one that could not be read. */
  picture?: string;
  /** How many views there are of it; a sample takes one by its random numbers. */
  views: number;
}

/** By the keys of a record that name images. */
export type KeptImages = Readonly<Record<string, KeptImage>>;

/** By the names that jobs carry. */
export type Readers = Readonly<Record<string, ReaderSpec>>;

/** Map-style: any index at any time. */
export interface Dataset {
  /** The dataset's name, and its split: 'coco_caption train'. */
  readonly name: string;
  readonly length: number;
  get(index: number, rng: Rng): Promise<Sample>;
  collate(samples: Sample[]): Batch;
  /** What a worker needs for `get`; a dataset without it is read in the main thread. */
  job?(index: number): SampleJob;
  /**
   * From here on, samples have embeddings in place of images.
   * @param keptOf what was kept of an image file, by its path; undefined for images again
   */
  remember?(keptOf: ((file: string) => KeptImage) | undefined): void;
  /** Only the first samples, with whatever belongs to them; without it, one batch is read. */
  head?(count: number): Dataset;
  /** What makes the readers that jobs name. */
  readonly readers?: Readers;
  /** The image files of each id of a result; a dataset without files, or without ids, has none. */
  imageFiles?(): Map<number | string, readonly string[]>;
  /** Where each sample comes from, in order: what can be checked before an image is read. */
  sources?(): Iterable<SampleSource>;
  /** What an evaluation split is scored against; undefined where there is nothing. */
  groundTruth?(): GroundTruth | undefined;
  /** Samples known to be unreadable, in addition to those whose image is missing. */
  faults?(): Promise<SampleFault[]>;
  /**
   * An evaluation split as training would see it, nothing augmented: for its loss. Those whose samples are fit for
   * that as they are go without it.
   */
  trainingForm?(): Dataset;
}

/** A sample that cannot be read. */
export interface SampleFault {
  what: string;
  /** The file, and the annotation it comes from. */
  where: string;
  found?: string;
  /** The image file, where that is what is missing. */
  file?: string;
}

/** What is known of a sample without reading it. */
export interface SampleSource {
  image_id?: number | string;
  /** As the annotations name it. */
  image: string;
  /** What it is relative to. */
  folder?: string;
  /** Its image file, if the image is a separate file. */
  file?: string;
  /** The annotation it comes from. */
  source: string;
}

/** Stream-style: shards that are read from front to back. */
export interface IterableDataset {
  readonly name: string;
  readonly iterable: true;
  /** The samples of this rank in this epoch, not yet decoded. */
  stream(position: StreamPosition): AsyncIterable<SampleJob> | Iterable<SampleJob>;
  /** Reads a job of `stream` in the main thread. */
  read(job: SampleJob, rng: Rng): Promise<Sample>;
  collate(samples: Sample[]): Batch;
  /** What makes the readers that jobs name. */
  readonly readers: Readers;
  /** Samples an epoch, of all ranks together. */
  readonly samplesPerEpoch: number;
  /** Samples that are known to be unreadable. */
  faults?(): Promise<SampleFault[]>;
  /** What it holds, in a few words that differ where its samples do. */
  fingerprint?(): string;
}

export interface StreamPosition {
  epoch: number;
  seed: number;
  rank: number;
  worldSize: number;
}

/** A sample's record and the reader it belongs to; plain data. */
export interface SampleJob {
  /** One of the dataset's `readers`: a worker makes each of them once. */
  reader: string;
  record: SampleRecord;
  /** For the reader. */
  kept?: KeptImages;
}

/** Lists by name, as COCO's files have them (`annotations`, `images`, `questions`): which, the metric says. */
export type GroundTruth = Readonly<Record<string, readonly object[]>>;

/** An evaluation split whose samples are its images, beside the texts that these are compared with. */
export interface RetrievalDataset extends Dataset {
  /** All texts, processed. */
  readonly text: readonly string[];
  /** The image of each sample, as the annotations name it. */
  readonly image: readonly string[];
  /** The image of each text, and the texts of each image, by their places. */
  readonly txt2img: readonly number[];
  readonly img2txt: readonly (readonly number[])[];
}

/** An evaluation split of questions, with what they are answered from and scored against. */
export interface VqaDataset extends Dataset {
  /** The answers that a model chooses among. */
  readonly answerList?: readonly string[];
  /** The files of the official scorer; `groundTruth` reads them, or takes the answers of the annotations. */
  readonly questionsFile?: string;
  readonly annotationsFile?: string;
  /** `annotations`, and `questions` where they are known. */
  groundTruth(): GroundTruth | undefined;
}

/** A split of texts about images that belong to one of some classes. */
export interface ClassificationDataset extends Dataset {
  /** The name of each label, in their order. */
  readonly classLabels: readonly string[];
}
