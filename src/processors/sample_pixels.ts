import type { Hash } from 'node:crypto';
import type { Rng } from '../common/random.js';
import type { ImageProcessor } from './base.js';
import type { ImageArray } from './rgb_image.js';

/** A processor's output for a fixed test image. @param rng for a random processor */
export function samplePixels(processor: ImageProcessor, rng?: Rng): Promise<ImageArray> {
  const [width, height] = [60, 40];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + (i % 7) * 11) % 256);
  return processor.process({ data, width, height }, rng);
}

/** Hashes what distinguishes a processor's output from another's. @param rng for a random processor */
export async function hashProcessor(hash: Hash, processor: ImageProcessor, rng?: Rng): Promise<void> {
  const { data, shape } = await samplePixels(processor, rng);
  hash.update(`${shape} `).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (processor.decode !== 'as_shown') hash.update(processor.decode);
}
