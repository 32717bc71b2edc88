import { instantiate, loadModule, newMemory, reserve, type WasmMemory } from '../common/wasm.js';
import type { Scaling, Triple } from './base.js';
import type { ImageArray, RgbImage } from './rgb_image.js';

/** Runs the compiled loops of src/assembly/pixels.ts for processors. */

/** How many bytes past the end of its buffers a loop may touch. */
export const OVERRUN = 16;
/** Fraction bits of a weight: what 32 bits leave beside an 8-bit pixel and 2 bits for sums that overshoot. */
export const PRECISION_BITS = 22;
/** Bytes of the four pixels that `normalize` processes at a time. */
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

/** CLIP's channel statistics, which BLIP was trained with. */
export const CLIP_MEAN: Triple = [0.48145466, 0.4578275, 0.40821073];
export const CLIP_STD: Triple = [0.26862954, 0.26130258, 0.27577711];

/** (value / 255 - mean) / std in float32. Between calls it keeps nothing but its scratch memory. */
export class Normalizer {
  readonly #memory = newMemory();
  readonly #loops: PixelLoops = pixelLoops(this.#memory);
  /** The means, then the standard deviations, for each byte of a group of pixels. */
  readonly #constants: Float32Array;

  constructor({ mean, std }: Scaling) {
    const perByte = (triple: Triple) => Array.from({ length: GROUP }, (_, i) => triple[i % 3]);
    this.#constants = Float32Array.from([...perByte(mean), ...perByte(std)]);
  }

  apply({ data, width, height }: RgbImage): ImageArray {
    const sizes = [this.#constants.byteLength, data.length + OVERRUN, 4 * (data.length + OVERRUN)];
    const [constants, source, result] = reserve(this.#memory, sizes);
    const { buffer } = this.#memory;
    new Float32Array(buffer, constants, this.#constants.length).set(this.#constants);
    new Uint8Array(buffer, source, data.length).set(data);
    this.#loops.normalize(source, data.length, result, constants);
    const pixels = new Float32Array(buffer, result, data.length).slice();
    return { data: pixels, shape: [height, width, 3] };
  }
}
