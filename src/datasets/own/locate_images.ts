import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, parse, relative, resolve } from 'node:path';
import { isImageFile } from '../annotated/image_id.js';
import type { OwnImage } from './assign_splits.js';

/**
 * Paths below the image folder for images whose format names them otherwise: Hugging Face's `metadata.csv`
 * and `metadata.jsonl` name them from their own folder, kohya's trainers by their stems.
 * @returns what there is to tell about it
 */
export function locateImages(images: OwnImage[], folder: string): string[] {
  const notes = new Set<string>();
  const stems = new Map<string, Map<string, string[]>>();
  for (const one of images) {
    if (existsSync(resolve(folder, one.image))) continue;
    const base = dirname(one.file);
    if (/^metadata\.(csv|jsonl)$/i.test(basename(one.file)) && existsSync(resolve(base, one.image))) {
      one.image = relative(folder, resolve(base, one.image));
      notes.add(`${one.file}: image paths are relative to its own folder`);
    } else if (one.stem) {
      const { dir, base: stem } = parse(one.image);
      const at = resolve(folder, dir);
      const known = stems.get(at) ?? stems.set(at, namesByStem(at)).get(at)!;
      const names = known.get(stem) ?? known.get(numberOf(stem)) ?? [];
      if (names.length !== 1) continue;
      one.image = join(dir, names[0]);
      notes.add(`${one.file}: images are named without their extensions`);
    }
  }
  return [...notes];
}

function namesByStem(folder: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (!isImageFile(name)) continue;
    const { name: stem } = parse(name);
    for (const key of new Set([stem, numberOf(stem)])) names.set(key, [...(names.get(key) ?? []), name]);
  }
  return names;
}

/** Datasets name images by the number that their files' names end in: 139 is COCO_val2014_000000000139.jpg. */
function numberOf(stem: string): string {
  const [, digits] = /(?:^|_)0*(\d+)$/.exec(stem) ?? [];
  return digits === undefined ? stem : `number ${digits}`;
}
