import { readFileSync } from 'node:fs';
import { decodeImage } from '#src/processors/index.js';
import type { RgbImage } from '#src/processors/rgb_image.js';
import { fixture } from '../support.js';

export interface StoredTensor {
  dtype: string;
  shape: number[];
  data: Uint8Array | Float32Array;
}

/** The U8 and F32 tensors of a fixture, read apart from the code under test. */
export function readTensors(...parts: string[]): Map<string, StoredTensor> {
  const bytes = readFileSync(fixture(...parts));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  delete header.__metadata__;
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const copy = new Uint8Array(bytes.subarray(start + from, start + to));
        return [name, { dtype, shape, data: dtype === 'F32' ? new Float32Array(copy.buffer) : copy }];
      },
    ),
  );
}

/** A stored [height, width, 3] tensor as an image. */
export function asImage({ shape: [height, width], data }: StoredTensor): RgbImage {
  return { data: data as Uint8Array, width, height };
}

/** [3, H, W] as [H, W, 3]. */
export function channelsLast({ shape: [channels, height, width], data }: StoredTensor): Float32Array {
  const out = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < height * width; i++) out[i * channels + c] = data[c * height * width + i];
  }
  return out;
}

/** The exact pixels of an image fixture, after decoding. */
export function decodedFixture(name: string, lossless: string | null): Promise<RgbImage> {
  return decodeImage(fixture('image_eval', lossless ?? name), { decode: 'reference' });
}

/** The largest and the mean absolute difference. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): { max: number; mean: number } {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let max = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    max = Math.max(max, d);
    sum += d;
  }
  return { max, mean: sum / a.length };
}
