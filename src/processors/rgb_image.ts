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

/** A part of an image, in pixels; the corner is its top left. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
