import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DataError, LavisError, messageOf } from '../../common/errors.js';
import type { Rng } from '../../common/random.js';
import type { ImageProcessor, TextProcessor } from '../../processors/index.js';
import type { Sample, SampleReader, SampleRecord } from '../types.js';
import { nearMiss } from './near_miss.js';

/** A caption sample before its image is read. */
export interface CaptionRecord extends SampleRecord {
  /** Path of the image, relative to the image folder, or absolute. */
  image: string;
  /** Absent in evaluation. */
  caption?: string;
  image_id?: number | string;
  instance_id?: string;
  /** The annotation it comes from, for messages. */
  source: string;
}

/** Reads and processes the image of a record, and its caption where it has one. */
export class CaptionReader implements SampleReader {
  constructor(
    readonly folder: string,
    readonly imageProcessor: ImageProcessor,
    readonly textProcessor: TextProcessor,
  ) {}

  async read({ image: file, caption, source, ...rest }: CaptionRecord, rng: Rng): Promise<Sample> {
    const image = await this.#readImage(file, source, rng);
    const text = caption === undefined ? {} : { text_input: this.textProcessor.apply(caption, rng) };
    return { image, ...text, ...rest };
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

function reason(cause: unknown): string {
  return cause instanceof LavisError ? (cause.details.found ?? cause.headline) : messageOf(cause);
}
