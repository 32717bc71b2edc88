import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { DataError } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';

/** An image and what was said of it. */
export interface Captioned {
  image: string;
  captions: readonly string[];
}

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
