/** 8-bit RGB pixels in rows: data[(y * width + x) * 3 + channel]. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** What the model takes: normalised float32 pixels, [height, width, 3]. */
export interface ImageArray {
  readonly data: Float32Array;
  readonly shape: [number, number, 3];
}

/** A rectangle of an image, in pixels, from its top left corner. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Two arrays that steps from image to image fill in turn: fresh ones cost page faults and collections. */
export class Scratch {
  readonly #arrays = [new Uint8Array(0), new Uint8Array(0)];

  /** A buffer as long as `used` but distinct from it, with arbitrary contents; the next call but one reuses it. */
  besides(used: Uint8Array): Uint8Array {
    const turn = this.#arrays[0] === used ? 1 : 0;
    if (this.#arrays[turn].length !== used.length) this.#arrays[turn] = new Uint8Array(used.length);
    return this.#arrays[turn];
  }
}
