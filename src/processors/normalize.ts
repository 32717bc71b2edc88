import { ConfigError } from '../common/errors.js';
import type { ImageArray, RgbImage } from './rgb_image.js';

/** One number each for red, green and blue. */
export type Triple = readonly [number, number, number];

/** CLIP's channel statistics, which BLIP was trained with. */
export const CLIP_MEAN: Triple = [0.48145466, 0.4578275, 0.40821073];
export const CLIP_STD: Triple = [0.26862954, 0.26130258, 0.27577711];

/** (value / 255 - mean) / std in float32, by a table of the 256 values of each channel. */
export class Normalizer {
  readonly #tables: Float32Array[];

  constructor(mean: Triple, std: Triple) {
    const f = Math.fround;
    this.#tables = mean.map((m, channel) =>
      Float32Array.from({ length: 256 }, (_, value) => f(f(f(value / 255) - f(m)) / f(std[channel]))),
    );
  }

  /** @param out height * width * 3 long; a new array if absent. */
  apply({ data, width, height }: RgbImage, out?: Float32Array): ImageArray {
    const pixels = out ?? new Float32Array(data.length);
    if (pixels.length !== data.length) {
      throw new ConfigError('an image does not fit the array it is to fill', {
        found: `${pixels.length} values of room`,
        allowed: `${height} x ${width} x 3 = ${data.length}`,
      });
    }
    const [red, green, blue] = this.#tables;
    for (let i = 0; i < data.length; i += 3) {
      pixels[i] = red[data[i]];
      pixels[i + 1] = green[data[i + 1]];
      pixels[i + 2] = blue[data[i + 2]];
    }
    return { data: pixels, shape: [height, width, 3] };
  }
}
