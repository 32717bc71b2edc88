import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import sharp from 'sharp';
import { mapConcurrently } from '../../common/concurrently.js';
import { makeFolderInside } from '../../common/files.js';
import { Rng } from '../../common/random.js';
import {
  drawnScene,
  pairsOfSplit,
  type Scene,
  SHAPES_SPLITS,
  type ShapesSplit,
  type Thing,
} from './scene.js';

const PAINT = {
  red: '#d8262b',
  green: '#2a9d3c',
  blue: '#2455d6',
  yellow: '#f4d81c',
  purple: '#8e35b8',
  orange: '#f28a1a',
  white: '#fafafa',
  gray: '#9a9a9a',
  black: '#161616',
} as const;

/** Outlines around (0, 0), one unit from the centre to the edge. */
const OUTLINE: Record<Thing['shape'], string> = {
  circle: '<circle r="1"/>',
  square: '<rect x="-0.9" y="-0.9" width="1.8" height="1.8"/>',
  triangle: '<path d="M0 -1 L1 0.85 L-1 0.85 Z"/>',
  star: `<polygon points="${star()}"/>`,
  cross: '<path d="M-0.32 -1 H0.32 V-0.32 H1 V0.32 H0.32 V1 H-0.32 V0.32 H-1 V-0.32 H-0.32 Z"/>',
  heart: '<path d="M0 0.95 C-1.9 -0.35 -0.75 -1.5 0 -0.55 C0.75 -1.5 1.9 -0.35 0 0.95 Z"/>',
};

/** Five points, the outer ones at distance 1. */
function star(): string {
  return Array.from({ length: 10 }, (_, i) => {
    const radius = i % 2 ? 0.42 : 1;
    const angle = (Math.PI * i) / 5;
    return `${(radius * Math.sin(angle)).toFixed(3)},${(-radius * Math.cos(angle)).toFixed(3)}`;
  }).join(' ');
}

/** The scene as an SVG of `size` x `size` pixels. */
function sceneSvg({ background, things }: Scene, size: number): string {
  const drawn = things.map(({ shape, colour, x, y, radius, turn }) => {
    const at = `translate(${(x * size).toFixed(2)} ${(y * size).toFixed(2)})`;
    const transform = `${at} rotate(${turn.toFixed(1)}) scale(${(radius * size).toFixed(2)})`;
    return `<g fill="${PAINT[colour]}" transform="${transform}">${OUTLINE[shape]}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}"><rect width="${size}" height="${size}" fill="${PAINT[background]}"/>${drawn.join('')}</svg>`;
}

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
