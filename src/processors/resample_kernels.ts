/** The two passes of a resize, four or sixteen bytes at a time. They read and write a little past the end. */
import {
  assemble,
  type Code,
  i32,
  instantiate,
  kernel,
  type Local,
  repeat,
  v128,
  type WasmMemory,
} from '../common/wasm.js';

/** Fraction bits of a weight: what 32 bits leave beside an 8-bit pixel and 2 bits for sums that overshoot. */
export const PRECISION_BITS = 22;
/** Bytes past the end of its buffers that a kernel may touch. */
export const OVERRUN = 16;

const half = v128.splat(i32.of(1 << (PRECISION_BITS - 1)));
const whole = (sum: Local): Code => v128.shiftRight(sum.get, PRECISION_BITS);
/** The address of a 32-bit value in a table. */
const entry = (table: Local, index: Code): Code => i32.add(table.get, i32.mul(index, i32.of(4)));
const advance = (pointer: Local, bytes: Code): Code => pointer.set(i32.add(pointer.get, bytes));

/**
 * for each row y, each x: out[y][x] = sum over k of weights[x][k] * source[y][first[x] + k], whole pixels.
 * `first` counts bytes.
 */
const rows = kernel('rows', 8, (parameters, int, vec) => {
  const [source, stride, out, width, height, first, weights, taps] = parameters;
  const [y, x, k, from, weight] = [int(), int(), int(), int(), int()];
  const sum = vec();
  return repeat(
    y,
    height.get,
    1,
    weight.set(weights.get),
    repeat(
      x,
      width.get,
      1,
      from.set(i32.add(source.get, i32.load(entry(first, x.get)))),
      sum.set(half),
      repeat(
        k,
        taps.get,
        1,
        sum.set(
          v128.add(
            sum.get,
            v128.mul(v128.lowU16(v128.lowU8(v128.load32(from.get))), v128.loadSplat(weight.get)),
          ),
        ),
        advance(from, i32.of(3)),
        advance(weight, i32.of(4)),
      ),
      // The fourth byte is rubbish that the next pixel overwrites.
      v128.store32(out.get, v128.narrow16(v128.narrow32(whole(sum), whole(sum)), whole(sum))),
      advance(out, i32.of(3)),
    ),
    advance(source, stride.get),
  );
});

/** for each row y, each byte x: out[y][x] = sum over k of weights[y][k] * source[first[y] + k][x]. */
const columns = kernel('columns', 7, (parameters, int, vec) => {
  const [source, stride, out, height, first, weights, taps] = parameters;
  const [y, x, k, from, weight] = [int(), int(), int(), int(), int()];
  const sums = [vec(), vec(), vec(), vec()];
  const [bytes, low, high, factor] = [vec(), vec(), vec(), vec()];
  const accumulate = (sum: Local, values: Code): Code =>
    sum.set(v128.add(sum.get, v128.mul(values, factor.get)));
  return repeat(
    y,
    height.get,
    1,
    repeat(
      x,
      stride.get,
      16,
      from.set(i32.add(i32.add(source.get, x.get), i32.load(entry(first, y.get)))),
      weight.set(weights.get),
      ...sums.map((sum) => sum.set(half)),
      repeat(
        k,
        taps.get,
        1,
        bytes.set(v128.load(from.get)),
        factor.set(v128.loadSplat(weight.get)),
        low.set(v128.lowU8(bytes.get)),
        high.set(v128.highU8(bytes.get)),
        accumulate(sums[0], v128.lowU16(low.get)),
        accumulate(sums[1], v128.highU16(low.get)),
        accumulate(sums[2], v128.lowU16(high.get)),
        accumulate(sums[3], v128.highU16(high.get)),
        advance(from, stride.get),
        advance(weight, i32.of(4)),
      ),
      v128.store(
        i32.add(out.get, x.get),
        v128.narrow16(
          v128.narrow32(whole(sums[0]), whole(sums[1])),
          v128.narrow32(whole(sums[2]), whole(sums[3])),
        ),
      ),
    ),
    advance(out, stride.get),
    advance(weights, i32.mul(taps.get, i32.of(4))),
  );
});

const compiled = assemble([rows, columns]);

export interface ResampleKernels {
  rows(
    source: number,
    stride: number,
    out: number,
    width: number,
    height: number,
    first: number,
    weights: number,
    taps: number,
  ): void;
  columns(
    source: number,
    stride: number,
    out: number,
    height: number,
    first: number,
    weights: number,
    taps: number,
  ): void;
}

/** The kernels over this memory; all their arguments but sizes are addresses in it. */
export function resampleKernels(memory: WasmMemory): ResampleKernels {
  return instantiate(compiled, memory) as unknown as ResampleKernels;
}
