import type { RgbImage } from './rgb_image.js';

/** The augmentations that depend only on a pixel's value: one lookup table of 256 values per channel. */

/**
 * Stretches each channel to the whole range 0 … 255; a channel of one value stays. What Pillow's
 * ImageOps.autocontrast does; the reference's own version overflows a byte when a channel's minimum is
 * above 0, and paints it white.
 */
export function autoContrast(image: RgbImage, out?: Uint8Array): RgbImage {
  return mapChannels(image, out, (histogram) => {
    const low = histogram.findIndex((count) => count > 0);
    const high = histogram.findLastIndex((count) => count > 0);
    if (high <= low) return undefined;
    const scale = 255 / (high - low);
    const offset = -low * scale;
    return Uint8Array.from({ length: 256 }, (_, value) => clampByte(value * scale + offset));
  });
}

/** Histogram equalisation of each channel. */
export function equalize(image: RgbImage, out?: Uint8Array): RgbImage {
  return mapChannels(image, out, (histogram) => {
    const last = histogram.findLastIndex((count) => count > 0);
    const step = Math.floor((image.width * image.height - histogram[last]) / 255);
    if (step === 0) return undefined;
    let sum = Math.floor(step / 2);
    return Uint8Array.from({ length: 256 }, (_, value) => {
      const mapped = clampByte(Math.floor(sum / step));
      sum += histogram[value];
      return mapped;
    });
  });
}

/** Multiplies every value by `factor`; 1 changes nothing. */
export function brightness(image: RgbImage, factor: number, out?: Uint8Array): RgbImage {
  if (factor === 1) return image;
  const f = Math.fround(factor);
  const table = Uint8Array.from({ length: 256 }, (_, value) => clampByte(Math.fround(value * f)));
  return mapChannels(image, out, () => table);
}

/** @param tableOf the channel's new values by its old ones, from its histogram; undefined leaves it. */
function mapChannels(
  image: RgbImage,
  out: Uint8Array | undefined,
  tableOf: (histogram: Uint32Array) => Uint8Array | undefined,
): RgbImage {
  const tables = histograms(image).map(tableOf);
  if (tables.every((table) => table === undefined)) return image;
  const identity = Uint8Array.from({ length: 256 }, (_, value) => value);
  const [red, green, blue] = tables.map((table) => table ?? identity);
  const from = image.data;
  const to = out ?? new Uint8Array(from.length);
  for (let i = 0; i < from.length; i += 3) {
    to[i] = red[from[i]];
    to[i + 1] = green[from[i + 1]];
    to[i + 2] = blue[from[i + 2]];
  }
  return { data: to, width: image.width, height: image.height };
}

function histograms({ data }: RgbImage): Uint32Array[] {
  const red = new Uint32Array(256);
  const green = new Uint32Array(256);
  const blue = new Uint32Array(256);
  for (let i = 0; i < data.length; i += 3) {
    red[data[i]]++;
    green[data[i + 1]]++;
    blue[data[i + 2]]++;
  }
  return [red, green, blue];
}

const clampByte = (value: number) => Math.trunc(Math.min(255, Math.max(0, value)));

/**
 * Moves each pixel away from (factor > 1) or towards (factor < 1) the mean of its neighbourhood, in which
 * it counts five times and its eight neighbours once; the border stays. 1, the factor of level 5, changes
 * nothing. Above 1, values past 0 … 255 wrap around, as they do in the reference.
 */
export function sharpness(
  image: RgbImage,
  factor: number,
  out: Uint8Array = new Uint8Array(image.data.length),
): RgbImage {
  if (factor === 1) return image;
  const { data, width, height } = image;
  out.set(data);
  const stride = width * 3;
  const f = Math.fround(factor);
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * stride + 3; i < (y + 1) * stride - 3; i++) {
      const above = data[i - stride - 3] + data[i - stride] + data[i - stride + 3];
      const below = data[i + stride - 3] + data[i + stride] + data[i + stride + 3];
      const smooth = Math.round((above + data[i - 3] + 5 * data[i] + data[i + 3] + below) / 13);
      const sharp = Math.fround(smooth + Math.fround(f * (data[i] - smooth)));
      out[i] = Math.trunc(sharp) & 255;
    }
  }
  return { data: out, width, height };
}
