/** src/assembly/pixels.ts for processors. */
import { instantiate, loadModule, type WasmMemory } from '../common/wasm.js';

/** Bytes past the end of its buffers that a loop may touch. */
export const OVERRUN = 16;
/** Fraction bits of a weight: what 32 bits leave beside an 8-bit pixel and 2 bits for sums that overshoot. */
export const PRECISION_BITS = 22;
/** Bytes of four pixels, which `normalize` takes at a time. */
export const GROUP = 12;

export interface PixelLoops {
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
  normalize(source: number, count: number, out: number, constants: number): void;
}

const compiled = loadModule('pixels');

/** The loops over this memory; all their arguments but sizes are addresses in it. */
export const pixelLoops = (memory: WasmMemory) => instantiate<PixelLoops>(compiled, memory);
