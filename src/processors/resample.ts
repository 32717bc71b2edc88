import { newMemory, reserve } from '../common/wasm.js';
import { OVERRUN, type PixelLoops, PRECISION_BITS, pixelLoops } from './pixel_loops.js';
import type { Box, RgbImage } from './rgb_image.js';

/** Radius of the bicubic kernel, in pixels at scale 1. */
const REACH = 2;

/**
 * Resizes images bicubic (a = -0.5) and antialiased: Pillow's arithmetic, to the bit. Between calls it keeps
 * nothing but its scratch memory. Source: Pillow's Resample.c.
 */
export class Resampler {
  readonly #memory = newMemory();
  readonly #loops: PixelLoops = pixelLoops(this.#memory);

  /**
   * Resizes a box of an image. Pixels outside the box are ignored, as with cropping first.
   * @param mirror also flips left and right.
   * @throws RangeError when the pixels are not width * height * 3.
   */
  resize(image: RgbImage, box: Box, width: number, height: number, mirror = false): RgbImage {
    const { data } = this.resizeInScratch(image, box, width, height, mirror);
    return { data: data.slice(), width, height };
  }

  /** The same, but the pixels lie in memory that the next call overwrites. */
  resizeInScratch(image: RgbImage, box: Box, width: number, height: number, mirror = false): RgbImage {
    if (image.data.length !== image.width * image.height * 3) {
      throw new RangeError(
        `an image of ${image.width} x ${image.height} has ${image.data.length} bytes, not three (red, green, blue) per pixel`,
      );
    }
    const across = computeWeights(box.width, width);
    const down = computeWeights(box.height, height);
    const stride = width * 3;
    const sizes = [
      box.width * box.height * 3, // the box
      box.height * stride, // the box at its new width
      height * stride, // the result
      ...[across, down].flatMap(({ first, values }) => [first.byteLength, values.byteLength]),
    ];
    const [source, narrow, out, acrossFirst, acrossValues, downFirst, downValues] = reserve(
      this.#memory,
      sizes.map((size) => size + OVERRUN),
    );
    this.#copyIn(image, box, source);
    const firstBytes = across.first.map((pixel) => pixel * 3);
    this.#write(acrossFirst, mirror ? firstBytes.reverse() : firstBytes);
    this.#write(acrossValues, mirror ? reverseGroups(across) : across.values);
    this.#write(
      downFirst,
      down.first.map((row) => row * stride),
    );
    this.#write(downValues, down.values);
    this.#loops.rows(
      source,
      box.width * 3,
      narrow,
      width,
      box.height,
      acrossFirst,
      acrossValues,
      across.taps,
    );
    this.#loops.columns(narrow, stride, out, height, downFirst, downValues, down.taps);
    return { data: new Uint8Array(this.#memory.buffer, out, height * stride), width, height };
  }

  #copyIn({ data, width }: RgbImage, box: Box, address: number): void {
    const target = new Uint8Array(this.#memory.buffer, address);
    const length = box.width * 3;
    for (let y = 0; y < box.height; y++) {
      const from = ((box.y + y) * width + box.x) * 3;
      target.set(data.subarray(from, from + length), y * length);
    }
  }

  #write(address: number, values: Int32Array): void {
    new Int32Array(this.#memory.buffer, address, values.length).set(values);
  }
}

/** How each output position weighs its input positions: `taps` weights each, from `first[i]` on. */
interface Weights {
  readonly taps: number;
  readonly first: Int32Array;
  /** Fixed point, PRECISION_BITS of fraction; those past the image's end are 0. */
  readonly values: Int32Array;
}

function computeWeights(inSize: number, outSize: number): Weights {
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const reach = REACH * stretch;
  const windows = Array.from({ length: outSize }, (_, i) => {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - reach + 0.5), 0);
    return { center, start, length: Math.min(Math.trunc(center + reach + 0.5), inSize) - start };
  });
  const taps = windows.reduce((most, { length }) => Math.max(most, length), 0);
  const first = new Int32Array(outSize);
  const values = new Int32Array(outSize * taps);
  const exact = new Float64Array(taps);
  for (const [i, { center, start, length }] of windows.entries()) {
    let sum = 0;
    for (let k = 0; k < length; k++) {
      exact[k] = bicubic((k + start - center + 0.5) * (1 / stretch));
      sum += exact[k];
    }
    // At the far end the window moves back instead of shrinking: `taps` pixels never leave the image.
    first[i] = Math.min(start, inSize - taps);
    const offset = i * taps + start - first[i];
    for (let k = 0; k < length; k++) {
      const value = (exact[k] / sum) * (1 << PRECISION_BITS);
      values[offset + k] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
  }
  return { taps, first, values };
}

function bicubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}

/** The weights of the last output position first. */
function reverseGroups({ taps, values }: Weights): Int32Array {
  const out = new Int32Array(values.length);
  for (let i = 0; i < values.length; i += taps)
    out.set(values.subarray(i, i + taps), values.length - taps - i);
  return out;
}
