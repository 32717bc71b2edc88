import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { DataError } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';

/** An image and what was said of it. */
export interface Captioned {
  image: string;
  captions: readonly string[];
}

export const FORMATS = ['text', 'json', 'jsonl', 'csv'] as const;
export type CaptionFormat = (typeof FORMATS)[number];

/** Prints captions: text, CSV and JSON Lines as they come, JSON as one object at the end. */
export class CaptionOutput {
  readonly #all: [image: string, captions: readonly string[]][] = [];

  constructor(private readonly format: CaptionFormat) {
    if (format === 'csv') console.log('image,caption');
  }

  print({ image, captions }: Captioned): void {
    if (this.format === 'json') this.#all.push([image, captions]);
    else if (this.format === 'jsonl') console.log(JSON.stringify({ image, captions }));
    else if (this.format === 'csv') for (const text of captions) console.log(`${cell(image)},${cell(text)}`);
    else for (const text of captions) console.log(`${image}: ${text}`);
  }

  end(): void {
    if (this.format === 'json') console.log(JSON.stringify(Object.fromEntries(this.#all), null, 2));
  }
}

/** A cell of a table, in quotes where it needs them (RFC 4180). */
const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export const EXISTING = ['skip', 'overwrite', 'append', 'prepend'] as const;

/** Writes captions into text files beside the images: `photo.jpg` -> `photo.txt`. */
export class CaptionFiles {
  constructor(
    private readonly ending: 'txt' | 'caption',
    /** What becomes of a file that is there; the new caption is put behind or before the old one. */
    private readonly existing: (typeof EXISTING)[number],
  ) {}

  /**
   * The images that are still to be captioned: with `skip` those without a file.
   * @throws DataError where two images would share a file.
   */
  async missing(images: readonly string[]): Promise<string[]> {
    const owners = new Map<string, string>();
    for (const image of images) {
      const path = this.#path(image);
      const other = owners.get(path);
      if (other !== undefined) {
        throw new DataError('two images would have their captions in one file', {
          where: path,
          found: `${basename(other)} and ${basename(image)}`,
          help: 'name one of them otherwise, or leave it out',
        });
      }
      owners.set(path, image);
    }
    if (this.existing !== 'skip') return [...images];
    const texts = await Promise.all(images.map((image) => this.#read(image)));
    return images.filter((_, i) => texts[i] === undefined);
  }

  /** A line for each caption. */
  async write({ image, captions }: Captioned): Promise<void> {
    const old = this.existing === 'append' || this.existing === 'prepend' ? await this.#read(image) : '';
    const text = captions.join('\n');
    const parts = this.existing === 'append' ? [old?.trim(), text] : [text, old?.trim()];
    await writeFileAtomic(this.#path(image), `${parts.filter(Boolean).join(' ')}\n`);
  }

  #path(image: string): string {
    return `${image.slice(0, image.length - extname(image).length)}.${this.ending}`;
  }

  /** What is in an image's file; undefined where there is none. */
  #read(image: string): Promise<string | undefined> {
    return readFile(this.#path(image), 'utf8').catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'ENOENT') return undefined;
      throw thrown;
    });
  }
}
