import { assemble, i32, instantiate, kernel, newMemory, repeat, v128 } from '../common/wasm.js';

/** Numbers that are worked on at a time: few enough to stay in a core's cache. */
export const PIECE = 64 * 1024;

/**
 * Sums and products in WebAssembly's memory, four numbers an instruction: several times as fast as a loop
 * over typed arrays, also with the copies into that memory and out of it.
 */
const BYTES = PIECE * 4;
const FACTOR = 2 * BYTES;
const memory = newMemory((2 * BYTES) / 65536 + 1);
/** The first `PIECE` numbers: what is multiplied, and added to. */
export const sum = new Float32Array(memory.buffer, 0, PIECE);
/** The next: what is added. */
export const addend = new Float32Array(memory.buffer, BYTES, PIECE);
const factorOf = new Float32Array(memory.buffer, FACTOR, 1);

/** Bytes of one turn of a loop: a cache line. */
const STEP = 64;
const offsets = Array.from({ length: STEP / 16 }, (_, i) => 16 * i);

/** sum *= factor */
const times = kernel('times', 1, ([bytes], index, vector) => {
  const [at, factor] = [index(), vector()];
  const each = offsets.map((offset) => {
    const here = i32.add(at.get, i32.of(offset));
    return v128.store(here, v128.mulFloat(v128.load(here), factor.get));
  });
  return [...factor.set(v128.loadSplat(i32.of(FACTOR))), ...repeat(at, bytes.get, STEP, ...each)];
});

/** sum += addend * factor, both rounded */
const addTimes = kernel('addTimes', 1, ([bytes], index, vector) => {
  const [at, factor] = [index(), vector()];
  const each = offsets.map((offset) => {
    const here = i32.add(at.get, i32.of(offset));
    const other = v128.load(i32.add(at.get, i32.of(BYTES + offset)));
    return v128.store(here, v128.addFloat(v128.load(here), v128.mulFloat(other, factor.get)));
  });
  return [...factor.set(v128.loadSplat(i32.of(FACTOR))), ...repeat(at, bytes.get, STEP, ...each)];
});

const kernels = instantiate(assemble([times, addTimes]), memory) as Record<
  'times' | 'addTimes',
  (bytes: number) => void
>;

/** sum[0..count) *= factor, a float32; what follows in the same cache line may change too. */
export function multiplySum(count: number, factor: number): void {
  factorOf[0] = factor;
  if (factor !== 1) kernels.times(count * 4);
}

/** sum[0..count) += addend * factor, a float32; what follows in the same cache line may change too. */
export function addToSum(count: number, factor: number): void {
  factorOf[0] = factor;
  kernels.addTimes(count * 4);
}

/** data *= factor, a float32 */
export function multiply(data: Float32Array, factor: number): void {
  if (factor === 1) return;
  for (let at = 0; at < data.length; at += PIECE) {
    const piece = data.subarray(at, at + PIECE);
    sum.set(piece);
    multiplySum(piece.length, factor);
    piece.set(sum.subarray(0, piece.length));
  }
}

export const plainArrays = (lengths: readonly number[]): Float32Array<ArrayBuffer>[] =>
  lengths.map((length) => new Float32Array(length));
