import type { Box, RgbImage } from './rgb_image.js';

/** Fraction bits of a weight: what 32 bits leave beside an 8-bit pixel and 2 bits for sums that overshoot. */
const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);
/** Pixels, at scale 1, that the bicubic curve reaches to either side. */
const REACH = 2;

/**
 * Resizes the boxed part of an image, bicubic (a = -0.5) and antialiased: Pillow's arithmetic, to the bit.
 * Pixels outside the box play no part, as if the box had been cut out first.
 * @param mirror also flips left and right.
 * Source: Pillow's Resample.c.
 */
export function resizeBicubic(
  image: RgbImage,
  box: Box,
  width: number,
  height: number,
  mirror = false,
): RgbImage {
  const across = computeWeights(box.width, width);
  const down = computeWeights(box.height, height);
  const narrow = resizeRows(image, box, across, width, mirror);
  return { data: resizeColumns(narrow, width * 3, down, height), width, height };
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
  const taps = Math.min(Math.ceil(reach) * 2 + 1, inSize);
  const first = new Int32Array(outSize);
  const values = new Int32Array(outSize * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < outSize; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - reach + 0.5), 0);
    const end = Math.min(Math.trunc(center + reach + 0.5), inSize);
    let sum = 0;
    for (let k = 0; k < end - start; k++) {
      exact[k] = bicubic((k + start - center + 0.5) * (1 / stretch));
      sum += exact[k];
    }
    // Windows are moved, not cut, at the far end, so that reading `taps` pixels never leaves the image.
    first[i] = Math.min(start, inSize - taps);
    const offset = i * taps + start - first[i];
    for (let k = 0; k < end - start; k++) {
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

/** @returns box.height rows of `width` pixels. */
function resizeRows(image: RgbImage, box: Box, weights: Weights, width: number, mirror: boolean): Uint8Array {
  const { taps, first, values } = weights;
  const source = image.data;
  const out = new Uint8ClampedArray(box.height * width * 3);
  const step = mirror ? -3 : 3;
  for (let y = 0; y < box.height; y++) {
    const row = ((box.y + y) * image.width + box.x) * 3;
    let to = (y * width + (mirror ? width - 1 : 0)) * 3;
    for (let x = 0; x < width; x++, to += step) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let from = row + first[x] * 3;
      const end = (x + 1) * taps;
      for (let k = x * taps; k < end; k++, from += 3) {
        const weight = values[k];
        red = (red + Math.imul(source[from], weight)) | 0;
        green = (green + Math.imul(source[from + 1], weight)) | 0;
        blue = (blue + Math.imul(source[from + 2], weight)) | 0;
      }
      out[to] = red >> PRECISION_BITS;
      out[to + 1] = green >> PRECISION_BITS;
      out[to + 2] = blue >> PRECISION_BITS;
    }
  }
  return new Uint8Array(out.buffer);
}

/** @param stride bytes a row. @returns `height` rows. */
function resizeColumns(source: Uint8Array, stride: number, weights: Weights, height: number): Uint8Array {
  const { taps, first, values } = weights;
  const out = new Uint8ClampedArray(height * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let k = 0; k < taps; k++) {
      const weight = values[y * taps + k];
      if (weight === 0) continue;
      const row = (first[y] + k) * stride;
      for (let x = 0; x < stride; x++) sums[x] += Math.imul(source[row + x], weight);
    }
    const to = y * stride;
    for (let x = 0; x < stride; x++) out[to + x] = sums[x] >> PRECISION_BITS;
  }
  return new Uint8Array(out.buffer);
}
