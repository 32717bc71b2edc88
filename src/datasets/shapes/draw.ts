import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import sharp from 'sharp';
import { mapConcurrently } from '../../common/concurrently.js';
import { makeFolderInside } from '../../common/files.js';
import { Rng } from '../../common/random.js';
import { drawnScene, pairsOfSplit, type Scene, SHAPES_SPLITS, type ShapesSplit } from './scene.js';
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

/** A scene of a split as its annotations name it. */
export interface DrawnScene {
  scene: Scene;
  /** Its place among the split's scenes. */
  place: number;
  /** Unique over the splits. */
  id: number;
  /** Its file, relative to the folder of images. */
  image: string;
}

/** What a dataset makes of a split. */
export interface Drawing {
  scenes: readonly Scene[];
  /** Annotation files by name, without `.json`. */
  annotations(scenes: readonly DrawnScene[]): Record<string, unknown>;
}

/** The scenes of a split, in order. */
export function scenesOf(split: ShapesSplit, { seed, ...options }: ShapesOptions): Scene[] {
  const pairs = pairsOfSplit(seed)[split];
  return Array.from({ length: options[split] }, (_, i) => drawnScene(pairs, Rng.of(seed, split, i)));
}

/** The number in a scene's file name; unique over the splits. */
const numberOf = { train: 1_000_000, val: 2_000_000, test: 3_000_000 } as const;

/**
 * Draws all splits into `folder`: images/, and annotations/ in the form that LAVIS has for them. The folder
 * appears at once and whole, whoever else draws at the same time.
 */
export async function drawShapes(
  folder: string,
  imageSize: number,
  drawingOf: (split: ShapesSplit) => Drawing,
): Promise<void> {
  const aside = makeFolderInside(dirname(folder), `.${basename(folder)}-`);
  try {
    await mkdir(join(aside, 'annotations'));
    for (const split of SHAPES_SPLITS) await drawSplit(aside, split, imageSize, drawingOf(split));
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

async function drawSplit(
  folder: string,
  split: ShapesSplit,
  imageSize: number,
  { scenes, annotations }: Drawing,
): Promise<void> {
  const drawn = scenes.map((scene, place): DrawnScene => {
    const id = numberOf[split] + place;
    return { scene, place, id, image: `${split}/shapes_${split}_${String(id).padStart(12, '0')}.jpg` };
  });
  await mkdir(join(folder, 'images', split), { recursive: true });
  await mapConcurrently(drawn, 8, ({ scene, image }) =>
    drawScene(scene, imageSize, join(folder, 'images', image)),
  );
  for (const [name, value] of Object.entries(annotations(drawn))) {
    await writeFile(join(folder, 'annotations', `${name}.json`), JSON.stringify(value));
  }
}
