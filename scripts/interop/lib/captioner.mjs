import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { drawScene, scenesOf } from '../../../dist/datasets/shapes/draw.js';
import { tf } from '../../../dist/index.js';
import { loadCaptioner } from '../../../dist/inference/index.js';

/** The options of every case that captions pictures with a checkpoint. */
export const captionerOptions = {
  'cfg-path': { type: 'string' },
  checkpoint: { type: 'string' },
  photos: { type: 'string' },
};

const COUNT = 10;

/** Ten photos of a folder, or ten drawn scenes. */
async function tenPictures(photos, work) {
  if (photos) {
    const files = readdirSync(photos, { recursive: true }).filter((file) => /\.jpe?g$/.test(file));
    return files
      .sort()
      .slice(0, COUNT)
      .map((file) => join(photos, file));
  }
  const folder = join(work, 'scenes');
  mkdirSync(folder, { recursive: true });
  const scenes = scenesOf('test', { seed: 42, train: 0, val: 0, test: COUNT, imageSize: 96 });
  const files = scenes.map((_, i) => join(folder, `${i}.jpg`));
  await Promise.all(scenes.map((scene, i) => drawScene(scene, 96, files[i])));
  return files;
}

/**
 * The captioner of a checkpoint, and what it makes of ten pictures.
 * @returns its model; its pictures' pixels one by one and as `image`, [10, H, W, 3]; its greedy captions as `texts`, prompt
 *   included, and as `encoded` ids
 */
export async function captionTen({ 'cfg-path': cfgPath, checkpoint, photos }, work) {
  const { model, processor } = await loadCaptioner(
    { cfgPath, checkpoint },
    { caller: 'scripts/interop', device: 'cpu' },
  );
  const pictures = await tenPictures(photos, work);
  const pixels = await Promise.all(pictures.map((picture) => processor.process(picture)));
  const image = tf.tensor4d(Float32Array.from(pixels.flatMap(({ data }) => [...data])), [
    pictures.length,
    ...pixels[0].shape,
  ]);
  const greedy = await model.generateDetailed({ image }, { numBeams: 1, maxLength: 20, minLength: 1 });
  const texts = greedy.captions.map((caption) => `${model.prompt}${caption}`);
  const encoded = texts.map((text) => model.tokenizer.encode(text));
  return { model, pixels, image, texts, encoded };
}
