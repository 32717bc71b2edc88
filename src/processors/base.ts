import type { Rng } from '../common/random.js';
import { type Decoding, decodeImage } from './decode.js';
import type { ImageArray, RgbImage } from './rgb_image.js';

/** One number for each of red, green and blue. */
export type Triple = readonly [number, number, number];

export interface Scaling {
  mean: Triple;
  std: Triple;
}

/** A plain section of the configuration: `name` and the processor's own keys. */
export type ProcessorSection = Readonly<Record<string, unknown>>;

/** Turns decoded pixels into what the model takes. Keeps no state but scratch memory: safe to share and to rebuild in a worker. */
export abstract class ImageProcessor {
  /** How `process` takes the pixels of a file. */
  readonly decode: Decoding = 'as_shown';
  /** The normalisation, (value - mean) / std of values from 0 to 1, if the processor states it. */
  readonly scaling?: Scaling;

  /**
   * @param rng the source of randomness; a deterministic processor ignores it.
   */
  abstract apply(image: RgbImage, rng?: Rng): ImageArray;

  /**
   * Decodes, then applies.
   * @param source a path, a file's bytes, or decoded pixels. @throws DataError as `decodeImage` does.
   */
  async process(source: string | Uint8Array | RgbImage, rng?: Rng): Promise<ImageArray> {
    const encoded = typeof source === 'string' || source instanceof Uint8Array;
    return this.apply(encoded ? await decodeImage(source, { decode: this.decode }) : source, rng);
  }
}

/** Turns a caption or a question into what the tokenizer takes. */
export abstract class TextProcessor {
  /** The prefix that `apply` adds to every text. */
  readonly prompt: string = '';

  abstract apply(text: string, rng?: Rng): string;

  /** Like `apply`, but with a prompt for this text. */
  applyBehind(prompt: string, text: string, rng?: Rng): string {
    return prompt + this.apply(text, rng).slice(this.prompt.length);
  }
}

/** A registered processor class. @throws ConfigError from `fromConfig` on unknown keys and wrong values. */
export interface ProcessorClass {
  fromConfig(section?: ProcessorSection): ImageProcessor | TextProcessor;
}

declare module '../common/registry.js' {
  interface RegistryKinds {
    processor: ProcessorClass;
  }
}
