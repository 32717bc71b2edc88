import { instantiate, loadModule, newMemory } from '../common/wasm.js';

/** Numbers that are worked on at a time: few enough to stay in a core's cache. */
const PIECE = 64 * 1024;

/**
 * Sums and products in WebAssembly's memory, four numbers an instruction: several times as fast as a loop
 * over typed arrays, also with the copies into that memory and out of it.
 */
const BYTES = PIECE * 4;
const memory = newMemory((2 * BYTES) / 65536);
/** The first `PIECE` numbers: what is multiplied, and added to. */
const sum = new Float32Array(memory.buffer, 0, PIECE);
/** The next: what is added. */
const addend = new Float32Array(memory.buffer, BYTES, PIECE);

const { times, addTimes } = instantiate<{
  times(sum: number, bytes: number, factor: number): void;
  addTimes(sum: number, addend: number, bytes: number, factor: number): void;
}>(loadModule('sums'), memory);

/**
 * result = factors[0] · part 0 + factors[1] · part 1 + …, in float32 and in this order, a piece that fits the cache at a time.
 * @param read gets numbers of a part, from an index on; one part may be `result` itself
 */
export function weightedSum(
  result: Float32Array,
  factors: readonly number[],
  read: (part: number, into: Float32Array, from: number) => void,
): void {
  for (let at = 0; at < result.length; at += PIECE) {
    const piece = result.subarray(at, at + PIECE);
    for (const [part, factor] of factors.entries()) {
      read(part, (part === 0 ? sum : addend).subarray(0, piece.length), at);
      // what follows in the same cache line may change too
      if (part > 0) addTimes(0, BYTES, piece.length * 4, factor);
      else if (factor !== 1) times(0, piece.length * 4, factor);
    }
    piece.set(sum.subarray(0, piece.length));
  }
}

/** data *= factor, a float32 */
export function multiply(data: Float32Array, factor: number): void {
  if (factor === 1) return;
  for (let at = 0; at < data.length; at += PIECE) {
    const piece = data.subarray(at, at + PIECE);
    sum.set(piece);
    times(0, piece.length * 4, factor);
    piece.set(sum.subarray(0, piece.length));
  }
}

export const plainArrays = (lengths: readonly number[]): Float32Array<ArrayBuffer>[] =>
  lengths.map((length) => new Float32Array(length));
