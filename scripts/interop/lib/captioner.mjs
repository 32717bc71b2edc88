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

/** Photos of a folder, or drawn scenes. */
async function somePictures(photos, count, work) {
  if (photos) {
    const files = readdirSync(photos, { recursive: true }).filter((file) => /\.jpe?g$/.test(file));
    return files
      .sort()
      .slice(0, count)
      .map((file) => join(photos, file));
  }
  const folder = join(work, 'scenes');
  mkdirSync(folder, { recursive: true });
  const scenes = scenesOf('test', { seed: 42, train: 0, val: 0, test: count, imageSize: 96 });
  const files = scenes.map((_, i) => join(folder, `${i}.jpg`));
  await Promise.all(scenes.map((scene, i) => drawScene(scene, 96, files[i])));
  return files;
}

/**
 * The captioner of a checkpoint, and what it makes of some pictures.
 * @returns its model; its pictures' pixels one by one and as `image`, [N, H, W, 3]; the `ids` of its
 *   greedy captions, prompt included, their `texts`, and these `encoded` again
 */
export async function captionSome({ 'cfg-path': cfgPath, checkpoint, photos, options }, work, count = 10) {
  const { model, processor } = await loadCaptioner(
    { cfgPath, checkpoint, options },
    { caller: 'scripts/interop', device: 'cpu' },
  );
  const pictures = await somePictures(photos, count, work);
  const pixels = await Promise.all(pictures.map((picture) => processor.process(picture)));
  const image = tf.tensor4d(Float32Array.from(pixels.flatMap(({ data }) => [...data])), [
    pictures.length,
    ...pixels[0].shape,
  ]);
  const greedy = await model.generateDetailed({ image }, { numBeams: 1, maxLength: 20, minLength: 1 });
  const texts = greedy.captions.map((caption) => `${model.prompt}${caption}`);
  const encoded = texts.map((text) => model.tokenizer.encode(text));
  const { padId, sepId } = model.tokenizer;
  const ids = greedy.sequences.map((row) => row.slice(1).filter((id) => id !== padId && id !== sepId));
  return { model, pixels, image, texts, encoded, ids };
}
