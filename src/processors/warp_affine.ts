import type { RgbImage } from './rgb_image.js';

/** Where a pixel (x, y) goes: (a x + b y + c, d x + e y + f). */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** The fill colour for pixels that the image no longer covers. */
const FILL = 128;
/** Coordinates are whole multiples of 1 / 32 pixel, reached by way of 1 / 1024. */
const INTER_BITS = 5;
const INTER_SIZE = 1 << INTER_BITS;
const COORDINATE_BITS = 10;
const COORDINATE_SCALE = 1 << COORDINATE_BITS;
/** Half of 1 / 32 in 1 / 1024. */
const ROUNDING = COORDINATE_SCALE / INTER_SIZE / 2;
const DROPPED_BITS = COORDINATE_BITS - INTER_BITS;

/**
 * Moves the picture in its frame, bilinear: OpenCV's warpAffine with its fixed-point arithmetic, to the bit.
 * Source: OpenCV's imgwarp.cpp.
 */
export function warpAffine(
  image: RgbImage,
  forward: Affine,
  out: Uint8Array = new Uint8Array(image.data.length),
): RgbImage {
  const [a, b, c, d, e, f] = invert(forward);
  // Whole-pixel shifts need no interpolation; translations at level 5 are of this kind.
  if (a === 1 && b === 0 && d === 0 && e === 1 && Number.isInteger(c) && Number.isInteger(f))
    return shift(image, c, f, out);
  const { data, width, height } = image;
  const stride = width * 3;
  const dx = Int32Array.from({ length: width }, (_, x) => roundHalfEven(a * x * COORDINATE_SCALE));
  const dy = Int32Array.from({ length: width }, (_, x) => roundHalfEven(d * x * COORDINATE_SCALE));
  const at = (x: number, y: number, channel: number) =>
    x >= 0 && x < width && y >= 0 && y < height ? data[y * stride + x * 3 + channel] : FILL;
  let to = 0;
  for (let y = 0; y < height; y++) {
    const rowX = roundHalfEven((b * y + c) * COORDINATE_SCALE) + ROUNDING;
    const rowY = roundHalfEven((e * y + f) * COORDINATE_SCALE) + ROUNDING;
    for (let x = 0; x < width; x++, to += 3) {
      const fixedX = (rowX + dx[x]) >> DROPPED_BITS;
      const fixedY = (rowY + dy[x]) >> DROPPED_BITS;
      const left = fixedX >> INTER_BITS;
      const top = fixedY >> INTER_BITS;
      const rightShare = fixedX & (INTER_SIZE - 1);
      const bottomShare = fixedY & (INTER_SIZE - 1);
      const w11 = rightShare * bottomShare;
      const w10 = bottomShare * INTER_SIZE - w11;
      const w01 = rightShare * INTER_SIZE - w11;
      const w00 = INTER_SIZE * INTER_SIZE - w01 - w10 - w11;
      if (left >= 0 && left < width - 1 && top >= 0 && top < height - 1) {
        const from = top * stride + left * 3;
        const under = from + stride;
        out[to] =
          (data[from] * w00 + data[from + 3] * w01 + data[under] * w10 + data[under + 3] * w11 + 512) >> 10;
        out[to + 1] =
          (data[from + 1] * w00 +
            data[from + 4] * w01 +
            data[under + 1] * w10 +
            data[under + 4] * w11 +
            512) >>
          10;
        out[to + 2] =
          (data[from + 2] * w00 +
            data[from + 5] * w01 +
            data[under + 2] * w10 +
            data[under + 5] * w11 +
            512) >>
          10;
      } else if (left >= width || left < -1 || top >= height || top < -1) {
        out[to] = FILL;
        out[to + 1] = FILL;
        out[to + 2] = FILL;
      } else {
        for (let channel = 0; channel < 3; channel++) {
          const upper = at(left, top, channel) * w00 + at(left + 1, top, channel) * w01;
          const lower = at(left, top + 1, channel) * w10 + at(left + 1, top + 1, channel) * w11;
          out[to + channel] = (upper + lower + 512) >> 10;
        }
      }
    }
  }
  return { data: out, width, height };
}

/** out[y][x] = image[y + down][x + right], where that is inside. */
function shift({ data, width, height }: RgbImage, right: number, down: number, out: Uint8Array): RgbImage {
  out.fill(FILL);
  const from = Math.max(0, right);
  const count = Math.max(0, Math.min(width, width + right) - from);
  for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
    const start = ((y + down) * width + from) * 3;
    out.set(data.subarray(start, start + count * 3), (y * width + from - right) * 3);
  }
  return { data: out, width, height };
}

/** Where a pixel of the result comes from. */
function invert([a, b, c, d, e, f]: Affine): Affine {
  const determinant = a * e - b * d;
  const scale = determinant === 0 ? 0 : 1 / determinant;
  const [ia, ib, id, ie] = [e * scale, b * -scale, d * -scale, a * scale];
  return [ia, ib, -ia * c - ib * f, id, ie, -id * c - ie * f];
}

/** Rounds half to even, as Python does. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
