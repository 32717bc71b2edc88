import { assemble, type Code, i32, instantiate, kernel, newMemory, repeat, v128 } from '../../common/wasm.js';

/** A 32-bit finalizer: every bit of the input reaches every bit of the result. */
const [FIRST, SECOND] = [0x7feb352d, 0x846ca68b];
/** Takes neighbouring positions far apart. */
const SPREAD = 0x9e3779b1;

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), FIRST);
  h = Math.imul(h ^ (h >>> 15), SECOND);
  return h ^ (h >>> 16);
}

/** What every element's hash begins with. */
export const dropoutStart = (seed: number): number => mix((seed | 0) ^ mix(Math.floor(seed / 2 ** 32) | 0));

/** Hashes below this are dropped. */
export const dropoutThreshold = (rate: number): number => Math.min(2 ** 32 - 1, Math.ceil(rate * 2 ** 32));

/** Numbers that are worked on at a time: few enough to stay in a core's cache. */
const PIECE = 8192;
const CONSTANTS = PIECE * 4;
const memory = newMemory(Math.ceil((CONSTANTS + 64) / 65536));
const values = new Float32Array(memory.buffer, 0, PIECE);
const whole = new Uint32Array(memory.buffer, CONSTANTS, 6);
const scaleAt = CONSTANTS + 4 * whole.length;
const scaleOf = new Float32Array(memory.buffer, scaleAt, 1);
/** The positions of the first four numbers. */
const positions = new Uint32Array(memory.buffer, CONSTANTS + 32, 4);

/** Bytes of one turn of the loop: four numbers. */
const STEP = 16;

/** values *= 0 or scale, by the hash of each one's position. */
const drop = kernel('drop', 1, ([bytes], index, vector) => {
  const at = index();
  const constants = Array.from({ length: 7 }, vector);
  const [start, spread, first, second, threshold, four, scale] = constants.map(({ get }) => get);
  const [position, hash] = [vector(), vector()];
  const stir = (bits: number, factor: Code) =>
    hash.set(v128.mul(v128.xor(hash.get, v128.shiftRightUnsigned(hash.get, bits)), factor));
  return [
    ...constants.flatMap((constant, i) => constant.set(v128.loadSplat(i32.of(CONSTANTS + 4 * i)))),
    ...position.set(v128.load(i32.of(CONSTANTS + 32))),
    ...repeat(
      at,
      bytes.get,
      STEP,
      hash.set(v128.xor(start, v128.mul(position.get, spread))),
      stir(16, first),
      stir(15, second),
      hash.set(v128.xor(hash.get, v128.shiftRightUnsigned(hash.get, 16))),
      position.set(v128.add(position.get, four)),
      v128.store(
        at.get,
        v128.andNot(v128.mulFloat(v128.load(at.get), scale), v128.below(hash.get, threshold)),
      ),
    ),
  ];
});

const kernels = instantiate(assemble([drop]), memory) as { drop(bytes: number): void };

/**
 * Writes `values[i] * (0 or 1 / (1 - rate))` to `out`. Element i's fate depends on (seed, i) only, so the
 * gradient draws the same mask again instead of storing it.
 * @param from the values; every one is 1 unless given
 */
export function applyDropout(out: Float32Array, rate: number, seed: number, from?: Float32Array): void {
  whole.set([dropoutStart(seed), SPREAD, FIRST, SECOND, dropoutThreshold(rate), 4]);
  scaleOf[0] = 1 / (1 - rate);
  for (let at = 0; at < out.length; at += PIECE) {
    const count = Math.min(PIECE, out.length - at);
    if (from) values.set(from.subarray(at, at + count));
    else values.fill(1);
    positions.set([at, at + 1, at + 2, at + 3]);
    kernels.drop(count * 4);
    out.set(values.subarray(0, count), at);
  }
}
