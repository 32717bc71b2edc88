import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import sharp from 'sharp';
import { makeFolderInside } from '../../common/files.js';
import { Rng } from '../../common/random.js';
import type { CaptionTruth } from '../caption/caption_dataset.js';
import { mapConcurrently } from '../loading/executor.js';
import { captionsOf, orderedCaptionsOf } from './captions.js';
import { drawnScene, pairsOfSplit, type Scene, type ShapesSplit } from './scene.js';
import { sceneSvg } from './svg.js';

/** How many scenes, of which size; the same numbers give the same files. */
export interface ShapesOptions {
  seed: number;
  train: number;
  val: number;
  test: number;
  /** Pixels a side. */
  imageSize: number;
}

/** The scenes of a split, in order. */
export function scenesOf(split: ShapesSplit, { seed, ...options }: ShapesOptions): Scene[] {
  const pairs = pairsOfSplit(seed)[split];
  return Array.from({ length: options[split] }, (_, i) => drawnScene(pairs, Rng.of(seed, split, i)));
}

/** The number in a scene's file name; unique over the splits. */
const numberOf = { train: 1_000_000, val: 2_000_000, test: 3_000_000 } as const;

/**
 * Draws all splits into `folder`: images/, and annotations/ as COCO's Karpathy files are. The folder
 * appears at once and whole, whoever else draws at the same time.
 */
export async function drawShapes(folder: string, options: ShapesOptions): Promise<void> {
  const aside = makeFolderInside(dirname(folder), `.${basename(folder)}-`);
  try {
    for (const part of ['images', 'annotations']) await mkdir(join(aside, part));
    for (const split of ['train', 'val', 'test'] as const) await drawSplit(aside, split, options);
    await rename(aside, folder).catch((error) => {
      // Another process may have been faster and drawn the same; how that is told differs between systems.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Draws one scene as a JPEG, `imageSize` pixels a side. */
export async function drawScene(scene: Scene, imageSize: number, path: string): Promise<void> {
  await sharp(Buffer.from(sceneSvg(scene, imageSize)))
    .jpeg({ quality: 92, chromaSubsampling: '4:4:4' })
    .toFile(path);
}

async function drawSplit(folder: string, split: ShapesSplit, options: ShapesOptions): Promise<void> {
  const scenes = scenesOf(split, options);
  const idOf = (i: number) => numberOf[split] + i;
  const fileOf = (i: number) => `shapes_${split}_${String(idOf(i)).padStart(12, '0')}.jpg`;
  await mkdir(join(folder, 'images', split));
  await mapConcurrently(scenes, 8, (scene, i) =>
    drawScene(scene, options.imageSize, join(folder, 'images', split, fileOf(i))),
  );
  const write = (name: string, value: unknown) =>
    writeFile(join(folder, 'annotations', `${name}.json`), JSON.stringify(value));
  const image = (i: number) => `${split}/${fileOf(i)}`;
  if (split === 'train') {
    await write(
      'shapes_train',
      scenes.flatMap((scene, i) =>
        trainCaptions(scene, Rng.of(options.seed, 'captions', i)).map((caption) => ({
          image: image(i),
          image_id: `shapes_${idOf(i)}`,
          caption,
        })),
      ),
    );
    return;
  }
  const captions = scenes.map(captionsOf);
  await write(
    `shapes_${split}`,
    captions.map((caption, i) => ({ image: image(i), image_id: `shapes_${idOf(i)}`, caption })),
  );
  await write(`shapes_${split}_gt`, groundTruth(captions, idOf));
}

/** How the two things lie to each other, and where each is. */
function trainCaptions(scene: Scene, rng: Rng): string[] {
  const { related, placed } = orderedCaptionsOf(scene);
  return [related[rng.int(related.length)], placed];
}

function groundTruth(captions: string[][], idOf: (i: number) => number): CaptionTruth {
  const flat = captions.flatMap((list, i) => list.map((caption) => ({ image_id: idOf(i), caption })));
  return {
    annotations: flat.map((entry, id) => ({ ...entry, id })),
    images: captions.map((_, i) => ({ id: idOf(i) })),
  };
}
