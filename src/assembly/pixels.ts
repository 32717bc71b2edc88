/**
 * Loops over pixels: the two passes of a resize, and normalization, four or sixteen bytes at a time. All
 * arguments but sizes are addresses. They read and write up to 16 bytes past the end of their buffers.
 */

/** Fraction bits of a weight; src/processors/resample.ts makes the weights. */
const PRECISION_BITS: i32 = 22;

function half(): v128 {
  return i32x4.splat(1 << (PRECISION_BITS - 1));
}

function whole(sum: v128): v128 {
  return i32x4.shr_s(sum, PRECISION_BITS);
}

/** for each row y, each x: out[y][x] = sum over k of weights[x][k] * source[y][first[x] + k]; `first` counts bytes. */
export function rows(
  source: usize,
  stride: i32,
  out: usize,
  width: i32,
  height: i32,
  first: usize,
  weights: usize,
  taps: i32,
): void {
  for (let y = 0; y < height; y++) {
    let weight = weights;
    for (let x = 0; x < width; x++) {
      let from = source + load<i32>(first + ((<usize>x) << 2));
      let sum = half();
      for (let k = 0; k < taps; k++) {
        const pixel = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from)));
        sum = i32x4.add(sum, i32x4.mul(pixel, v128.load32_splat(weight)));
        from += 3;
        weight += 4;
      }
      const pixel = whole(sum);
      // The fourth byte is rubbish that the next pixel overwrites.
      const narrow = i16x8.narrow_i32x4_s(pixel, pixel);
      v128.store32_lane(out, i8x16.narrow_i16x8_u(narrow, narrow), 0);
      out += 3;
    }
    source += stride;
  }
}

/** for each row y, each byte x: out[y][x] = sum over k of weights[y][k] * source[first[y] + k][x]. */
export function columns(
  source: usize,
  stride: i32,
  out: usize,
  height: i32,
  first: usize,
  weights: usize,
  taps: i32,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < stride; x += 16) {
      let from = source + x + load<i32>(first + ((<usize>y) << 2));
      let weight = weights;
      let a = half();
      let b = half();
      let c = half();
      let d = half();
      for (let k = 0; k < taps; k++) {
        const bytes = v128.load(from);
        const factor = v128.load32_splat(weight);
        const low = i16x8.extend_low_i8x16_u(bytes);
        const high = i16x8.extend_high_i8x16_u(bytes);
        a = i32x4.add(a, i32x4.mul(i32x4.extend_low_i16x8_u(low), factor));
        b = i32x4.add(b, i32x4.mul(i32x4.extend_high_i16x8_u(low), factor));
        c = i32x4.add(c, i32x4.mul(i32x4.extend_low_i16x8_u(high), factor));
        d = i32x4.add(d, i32x4.mul(i32x4.extend_high_i16x8_u(high), factor));
        from += stride;
        weight += 4;
      }
      const left = i16x8.narrow_i32x4_s(whole(a), whole(b));
      const right = i16x8.narrow_i32x4_s(whole(c), whole(d));
      v128.store(out + x, i8x16.narrow_i16x8_u(left, right));
    }
    out += stride;
    weights += taps << 2;
  }
}

function normalized(source: usize, mean: v128, std: v128): v128 {
  const bytes = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(source)));
  return f32x4.div(f32x4.sub(f32x4.div(f32x4.convert_i32x4_s(bytes), f32x4.splat(255)), mean), std);
}

/**
 * out[i] = (source[i] / 255 - mean[i % 12]) / std[i % 12], in float32. Twelve bytes are four pixels: the least
 * after which the colours line up with vectors of four again.
 * @param constants 12 means, then 12 standard deviations
 */
export function normalize(source: usize, count: i32, out: usize, constants: usize): void {
  const mean0 = v128.load(constants);
  const mean1 = v128.load(constants, 16);
  const mean2 = v128.load(constants, 32);
  const std0 = v128.load(constants, 48);
  const std1 = v128.load(constants, 64);
  const std2 = v128.load(constants, 80);
  for (let i = 0; i < count; i += 12) {
    v128.store(out, normalized(source, mean0, std0));
    v128.store(out, normalized(source + 4, mean1, std1), 16);
    v128.store(out, normalized(source + 8, mean2, std2), 32);
    source += 12;
    out += 48;
  }
}
