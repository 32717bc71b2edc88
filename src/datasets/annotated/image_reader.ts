import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { DataError, LavisError, messageOf } from '../../common/errors.js';
import type { Rng } from '../../common/random.js';
import { readSection } from '../../config/index.js';
import {
  type ImageArray,
  ImageProcessor,
  imageProcessorOf,
  processorKeys,
  type RgbImage,
  sideOf,
  TextProcessor,
  textProcessorOf,
} from '../../processors/index.js';
import { readEmbeds } from '../remembered/embeds_file.js';
import type {
  KeptImage,
  KeptImages,
  NumericArray,
  Sample,
  SampleReader,
  SampleRecord,
  Split,
} from '../types.js';
import type { DatasetSection } from './build_info.js';
import { nearMiss } from './near_miss.js';

/**
 * A sample before its images are read: under the sample's own keys, with paths in place of images (relative to
 * the image folder, or absolute) and texts as they were written.
 */
export interface AnnotatedRecord extends SampleRecord {
  image_id?: number | string;
  /** What the text begins with, where samples have prompts of their own; null for the processor's. */
  prompt?: string | null;
  /** The annotation it comes from, for messages; not part of the sample. */
  source: string;
}

/** Which keys of a record are images and texts to be processed; every other one stays as it is. */
export interface SampleKeys {
  images: readonly string[];
  texts: readonly string[];
}

export const IMAGE_AND_TEXT: SampleKeys = { images: ['image'], texts: ['text_input'] };

/** Reads and processes the images of a record, and its texts where it has some. */
export class ImageReader implements SampleReader {
  constructor(
    readonly folder: string,
    readonly imageProcessor: ImageProcessor,
    readonly textProcessor: TextProcessor,
    readonly keys: SampleKeys = IMAGE_AND_TEXT,
  ) {}

  get images(): readonly string[] {
    return this.keys.images;
  }

  async read(record: SampleRecord, rng: Rng, kept: KeptImages = {}): Promise<Sample> {
    const { source, ...sample } = record as AnnotatedRecord;
    // One after the other: they draw from one generator.
    for (const key of this.images) {
      const read = () => this.#readImage(String(record[key]), source, rng);
      if (key in kept) {
        sample[`${key}_embeds`] = await readKept(kept[key], rng, read);
        delete sample[key];
      } else sample[key] = await read();
    }
    for (const key of this.keys.texts) {
      const text = sample[key];
      if (typeof text === 'string') sample[key] = this.#readText(text, sample.prompt, rng);
    }
    return sample;
  }

  #readText(text: string, prompt: unknown, rng: Rng): string {
    if (typeof prompt !== 'string') return this.textProcessor.apply(text, rng);
    return this.textProcessor.applyBehind(prompt, text, rng);
  }

  async #readImage(file: string, source: string, rng: Rng) {
    const path = resolve(this.folder, file);
    try {
      return await this.imageProcessor.process(path, rng);
    } catch (cause) {
      const missing = await access(path).then(
        () => false,
        () => true,
      );
      const near = missing ? nearMiss(this.folder, file) : undefined;
      throw new DataError(missing ? 'an image is missing' : 'an image cannot be decoded', {
        where: `${path}\n${source}`,
        found: missing ? near?.found : reason(cause),
        help: near?.help ?? 'run.max_bad_samples=N skips up to N such images and lists them',
        cause,
      });
    }
  }
}

/** @param pixels says why an image of which nothing was kept cannot be read */
async function readKept(
  { folder, picture, views }: KeptImage,
  rng: Rng,
  pixels: () => Promise<unknown>,
): Promise<NumericArray> {
  if (picture !== undefined) {
    return readEmbeds({ folder, picture, view: views > 1 ? rng.int(views) : 0 });
  }
  await pixels();
  throw new DataError('an image could not be read when its embeddings were to be made, and can be now', {
    help: 'lavis train --resume makes them',
  });
}

function reason(cause: unknown): string {
  return cause instanceof LavisError ? (cause.details.found ?? cause.headline) : messageOf(cause);
}

/** The processors of a split. @throws ConfigError */
export function processorsOf(section: DatasetSection, dataset: string, split: Split) {
  const owner = { name: `datasets.${dataset}`, section };
  return {
    image: imageProcessorOf(owner, sideOf(split)) ?? new RawImage(),
    text: textProcessorOf(owner, sideOf(split)) ?? new RawText(),
  };
}

/** A section whose evaluation splits take texts as its training does, where it says how. @throws ConfigError */
export function withTrainedTexts(section: DatasetSection, dataset: string): DatasetSection {
  const keys = z.object({ text_processor: processorKeys.text_processor });
  const { text_processor: sides } = readSection(`datasets.${dataset}`, keys, section, { unknown: 'ignore' });
  return sides?.train ? { ...section, text_processor: { train: sides.train, eval: sides.train } } : section;
}

/** Without a vis_processor the pixels come as they are, 0 to 255. */
class RawImage extends ImageProcessor {
  apply({ data, width, height }: RgbImage): ImageArray {
    return { data: Float32Array.from(data), shape: [height, width, 3] };
  }
}

class RawText extends TextProcessor {
  apply(text: string): string {
    return text;
  }
}
