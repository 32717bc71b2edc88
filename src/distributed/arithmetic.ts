import { instantiate, loadModule, newMemory } from '../common/wasm.js';

/** Numbers that are worked on at a time: few enough to stay in a core's cache. */
export const PIECE = 64 * 1024;

/**
 * Sums and products in WebAssembly's memory, four numbers an instruction: several times as fast as a loop
 * over typed arrays, also with the copies into that memory and out of it.
 */
const BYTES = PIECE * 4;
const memory = newMemory((2 * BYTES) / 65536);
/** The first `PIECE` numbers: what is multiplied, and added to. */
export const sum = new Float32Array(memory.buffer, 0, PIECE);
/** The next: what is added. */
export const addend = new Float32Array(memory.buffer, BYTES, PIECE);

const { times, addTimes } = instantiate<{
  times(sum: number, bytes: number, factor: number): void;
  addTimes(sum: number, addend: number, bytes: number, factor: number): void;
}>(loadModule('sums'), memory);

/** sum[0..count) *= factor, a float32; what follows in the same cache line may change too. */
export function multiplySum(count: number, factor: number): void {
  if (factor !== 1) times(0, count * 4, factor);
}

/** sum[0..count) += addend * factor, a float32; what follows in the same cache line may change too. */
export function addToSum(count: number, factor: number): void {
  addTimes(0, BYTES, count * 4, factor);
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
