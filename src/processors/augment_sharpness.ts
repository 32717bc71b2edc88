import type { RgbImage } from './rgb_image.js';

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
