import type { Rng } from '../common/random.js';
import { type Decoding, decodeImage } from './decode.js';
import type { ImageArray, RgbImage } from './rgb_image.js';

/** A plain section of the configuration: `name` and the processor's own keys. */
export type ProcessorSection = Readonly<Record<string, unknown>>;

/** Turns decoded pixels into what the model takes. Keeps no state but scratch memory: safe to share and to rebuild in a worker. */
export abstract class ImageProcessor {
  /** How `process` takes the pixels of a file. */
  readonly decode: Decoding = 'as_shown';

  /**
   * @param rng where a random processor draws from; one that is not random ignores it.
   * @param out where the pixels go, height * width * 3 long (a slice of a batch, say); a new array if absent.
   */
  abstract apply(image: RgbImage, rng?: Rng, out?: Float32Array): ImageArray;

  /**
   * Decodes, then applies.
   * @param source a path, a file's bytes, or decoded pixels. @throws DataError as `decodeImage` does.
   */
  async process(source: string | Uint8Array | RgbImage, rng?: Rng, out?: Float32Array): Promise<ImageArray> {
    const encoded = typeof source === 'string' || source instanceof Uint8Array;
    return this.apply(encoded ? await decodeImage(source, { decode: this.decode }) : source, rng, out);
  }
}

/** Turns a caption or a question into what the tokenizer takes. */
export abstract class TextProcessor {
  abstract apply(text: string, rng?: Rng): string;
}

/** What the registry holds. @throws ConfigError from `fromConfig` on unknown keys and wrong values. */
export interface ProcessorClass {
  fromConfig(section?: ProcessorSection): ImageProcessor | TextProcessor;
}

declare module '../common/registry.js' {
  interface RegistryKinds {
    processor: ProcessorClass;
  }
}
