import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { DataError, explainSystemError } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';
import { sevenDigits } from '../common/json.js';
import type { ScoredCaption } from '../models/index.js';

/** An image and what was said of it. */
export interface Captioned {
  image: string;
  captions: readonly string[];
  /** How sure the model is of each caption: the mean log-probability of its tokens, where the model tells. */
  log_probabilities?: readonly number[];
  /** What a beam search orders captions by. */
  scores?: readonly number[];
  /** Of each caption, its tokens with their own log-probabilities. */
  tokens?: readonly (readonly (readonly [token: string, logProbability: number])[])[];
}

/** An image's captions as they are written. @param around what goes around each, and whether its tokens are told */
export function captionedOf(
  image: string,
  scored: readonly ScoredCaption[],
  { prefix = '', suffix = '', tokens = false } = {},
): Captioned {
  const captioned: Captioned = {
    image,
    captions: scored.map(({ caption }) => prefix + caption + suffix),
    ...numbers('log_probabilities', scored, ({ logProbability }) => logProbability),
    ...numbers('scores', scored, ({ score }) => score),
  };
  if (!tokens) return captioned;
  const ofEach = scored.map(({ tokens: own = [] }) =>
    own.map(({ token, logProbability }) => [token, sevenDigits(logProbability)] as const),
  );
  return { ...captioned, tokens: ofEach };
}

/** A list under a name, where every caption has the number. */
function numbers<K extends string>(
  name: K,
  scored: readonly ScoredCaption[],
  of: (caption: ScoredCaption) => number | undefined,
): Partial<Record<K, number[]>> {
  const values = scored.map(of);
  if (values.some((value) => value === undefined)) return {};
  return { [name]: (values as number[]).map(sevenDigits) } as Record<K, number[]>;
}

/** What becomes of captions that are there; `append` puts the new one behind the old one. */
export type Existing = 'skip' | 'overwrite' | 'append' | 'prepend';

/** Files beside images that hold their captions. */
export interface CaptionFiles {
  /**
   * The images that are still to be captioned: with `skip` those without a caption.
   * @throws DataError where two images would share a file, or a file that is there cannot be used
   */
  missing(images: readonly string[]): Promise<string[]>;
  /** Writes an image's captions as `existing` has it. */
  write(captioned: Captioned): Promise<void>;
}

/** Captions in text files: `photo.jpg` -> `photo.txt`. */
export class CaptionTexts implements CaptionFiles {
  constructor(
    private readonly ending: 'txt' | 'caption',
    private readonly existing: Existing,
  ) {}

  async missing(images: readonly string[]): Promise<string[]> {
    const owners = new Map<string, string>();
    for (const image of images) {
      const path = this.#path(image);
      const other = owners.get(path);
      if (other !== undefined) {
        throw new DataError('two images would have their captions in one file', {
          where: path,
          found: `${basename(other)} and ${basename(image)}`,
          help: 'rename one of them, or leave it out',
        });
      }
      owners.set(path, image);
    }
    if (this.existing !== 'skip') return [...images];
    const infos = await Promise.all(images.map((image) => stat(this.#path(image)).catch(() => undefined)));
    return images.filter((_, i) => !infos[i]?.isFile());
  }

  /** A line for each caption. */
  async write({ image, captions }: Captioned): Promise<void> {
    const path = this.#path(image);
    const old = await readIfThere(path);
    if (old !== undefined && this.existing === 'skip') return;
    await writeFileAtomic(path, `${besideOld(captions.join('\n'), old, this.existing)}\n`);
  }

  #path(image: string): string {
    return `${image.slice(0, image.length - extname(image).length)}.${this.ending}`;
  }
}

/** Several kinds of files for each image: it is captioned where one of them lacks its caption. */
export class SeveralFiles implements CaptionFiles {
  constructor(private readonly kinds: readonly CaptionFiles[]) {}

  async missing(images: readonly string[]): Promise<string[]> {
    const lacking = new Set<string>();
    for (const kind of this.kinds) for (const image of await kind.missing(images)) lacking.add(image);
    return images.filter((image) => lacking.has(image));
  }

  async write(captioned: Captioned): Promise<void> {
    for (const kind of this.kinds) await kind.write(captioned);
  }
}

/** The text that becomes of a new one and an old one. */
export function besideOld(text: string, old: string | undefined, existing: Existing): string {
  const kept = existing === 'append' || existing === 'prepend' ? old?.trim() : undefined;
  return (existing === 'append' ? [kept, text] : [text, kept]).filter(Boolean).join(' ');
}

/** The text of a file as it is; undefined where there is none. */
function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw new DataError('the caption that is there cannot be read', {
      where: path,
      found: explainSystemError(thrown),
      cause: thrown,
    });
  });
}
