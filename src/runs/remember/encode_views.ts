import { mapConcurrently } from '../../common/concurrently.js';
import { DataError } from '../../common/errors.js';
import { Rng } from '../../common/random.js';
import { writeEmbeds } from '../../datasets/index.js';
import { type ImageEncoding, stacked } from '../../models/index.js';
import type { ImageArray } from '../../processors/index.js';
import type { ViewPlace } from './places.js';

/** Images that are encoded together. */
export const AT_ONCE = 8;

/** A batch of views that was kept. */
export interface EncodedBatch {
  /** Files that cannot be read as images. */
  broken: string[];
  views: number;
  seconds: number;
}

/** Encodes views some at a time and keeps them; the next ones are read while the encoder is at work. */
export async function* encodeViews(
  encoding: ImageEncoding,
  places: readonly ViewPlace[],
): AsyncGenerator<EncodedBatch, void, undefined> {
  const read = (start: number) => mapConcurrently(places.slice(start, start + AT_ONCE), AT_ONCE, pixelsOf);
  let reading = read(0);
  for (let start = 0; start < places.length; start += AT_ONCE) {
    const began = performance.now();
    const pixels = await reading;
    reading = read(start + AT_ONCE);
    reading.catch(() => {}); // thrown when its turn comes
    const batch = places.slice(start, start + AT_ONCE);
    await keep(
      encoding,
      batch.flatMap((place, i) => (pixels[i] ? [{ place, pixels: pixels[i] }] : [])),
    );
    yield {
      broken: batch.filter((_, i) => !pixels[i]).map(({ file }) => file),
      views: batch.length,
      seconds: (performance.now() - began) / 1000,
    };
  }
}

/** The same draw for every run: a view is of its picture and its number alone. */
async function pixelsOf({ file, processor, picture, view }: ViewPlace): Promise<ImageArray | undefined> {
  try {
    return await processor.process(file, Rng.of(0, 'view', picture, view));
  } catch (thrown) {
    if (thrown instanceof DataError) return undefined; // whoever asks for the sample hears of it
    throw thrown;
  }
}

async function keep(
  encoding: ImageEncoding,
  views: readonly { place: ViewPlace; pixels: ImageArray }[],
): Promise<void> {
  if (views.length === 0) return;
  const image = stacked(views.map(({ pixels }) => pixels));
  const embeds = encoding.encode(image);
  try {
    const data = (await embeds.data()) as Float32Array;
    const [, ...shape] = embeds.shape;
    const size = data.length / views.length;
    await mapConcurrently(views, AT_ONCE, ({ place }, i) =>
      writeEmbeds(place, { data: data.subarray(i * size, (i + 1) * size), shape }),
    );
  } finally {
    image.dispose();
    embeds.dispose();
  }
}
