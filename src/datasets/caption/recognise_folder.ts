import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, extname, join, parse, resolve } from 'node:path';
import { DataError, LavisError } from '../../common/errors.js';
import { counted, some } from '../../common/words.js';
import { HEIC_HELP } from '../../processors/index.js';
import { isImageFile } from '../annotated/image_id.js';
import { folderSplit, type OwnImage, SPLIT_NAMES, textsOfRole } from '../own/assign_splits.js';
import { locateImages } from '../own/locate_images.js';
import { isTableFile, readOwnTables } from '../own/own_table.js';
import type { Split } from '../types.js';
import { filesBelow, readCaptionFolder } from './caption_folder.js';
import { isMetadata } from './image_folder.js';
import { PROMPTED_CAPTIONS } from './own_captions.js';
import { SIDECARS } from './sidecars.js';

/** A folder of captioned images, and the dataset that reads it. */
export interface RecognisedFolder {
  dataset: 'folder_caption' | 'custom_caption';
  /** Its `build_info`, without splits; paths are absolute. */
  buildInfo: Record<string, unknown>;
  images: { captions: string[]; split?: Split }[];
  /** What there is to tell about it. */
  notes: string[];
}

/**
 * Finds out how the captions of a folder's images are kept: Hugging Face's metadata, a table or JSON (COCO's, for one)
 * beside or above the images, or texts beside them.
 * @throws DataError that says what is missing
 */
export async function recogniseFolder(given: string): Promise<RecognisedFolder> {
  const folder = resolve(given);
  if (!(await isFolder(folder))) {
    const there = existsSync(folder);
    throw new DataError('a folder of photos is not there', {
      where: folder,
      found: there ? 'a file' : 'no such folder',
      help: there ? `name the folder that it lies in, or one above: ${dirname(given)}` : undefined,
    });
  }
  const files = await filesBelow(folder);
  const pictures = files.filter(isImageFile);
  if (pictures.length === 0) {
    throw new DataError('a folder holds no picture', {
      where: folder,
      found: files.length > 0 ? `${counted(files.length, 'other file')}, ${files[0]} for one` : 'nothing',
      allowed: 'JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF files, in it or in the folders below',
    });
  }
  const heic = pictures.filter((path) => /\.hei[cf]$/i.test(path));
  if (heic.length > 0) {
    throw new DataError(`${heic.length} of ${counted(pictures.length, 'picture')} cannot be read`, {
      where: folder,
      found: `HEIC, as iPhones have it: ${some(heic)}`,
      help: HEIC_HELP,
    });
  }
  if (files.some(isMetadata)) return captionFolder(folder);
  const stems = new Set(pictures.flatMap((path) => [stemOf(path), path]));
  const beside = files.filter((path) => SIDECARS.includes(extname(path)) && stems.has(stemOf(path)));
  const { found, failures } = await recogniseTables(folder, files, new Set(beside));
  if (found && found.images.length >= beside.length) return found;
  if (beside.length > 0) return captionFolder(folder);
  throw new DataError('a folder has pictures, and no captions for them', {
    where: folder,
    found: [
      `${counted(pictures.length, 'picture')}, ${some(pictures)}; no text beside one, no table`,
      ...failures.slice(0, 5),
    ].join('\n'),
    allowed:
      'dog.txt or dog.caption beside dog.jpg, a caption a line; captions.csv with the columns image,caption; ' +
      "metadata.csv or metadata.jsonl; COCO's JSON",
    help: `a first draft, to be mended by hand: lavis caption ${given} --model blip_caption --write txt`,
  });
}

const isFolder = (path: string) =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

const stemOf = (path: string) => path.slice(0, path.length - extname(path).length);

async function captionFolder(folder: string): Promise<RecognisedFolder> {
  const { images, notes } = await readCaptionFolder(folder, {
    form: { ...PROMPTED_CAPTIONS, dataset: 'folder_caption' },
  });
  return {
    dataset: 'folder_caption',
    buildInfo: { images: { storage: folder } },
    images: images.map(plainly),
    notes,
  };
}

const plainly = (one: OwnImage) => ({ captions: textsOfRole(one, 'caption'), split: one.split });

/** A file that names images which are there. */
interface Table {
  path: string;
  images: OwnImage[];
  notes: string[];
  /** The folder that its names lead from. */
  root: string;
  /** By its own name. */
  split?: Split;
}

/** The tables of a folder as one dataset, and why others are none. */
async function recogniseTables(
  folder: string,
  files: readonly string[],
  beside: ReadonlySet<string>,
): Promise<{ found?: RecognisedFolder; failures: string[] }> {
  const failures: string[] = [];
  const tables: Table[] = [];
  const roots = foldersOf(files).map((path) => join(folder, path));
  for (const file of files) {
    if (beside.has(file) || !isTableFile(file) || file.split('/').length > 2) continue;
    const path = join(folder, file);
    try {
      const { images, notes } = await readOwnTables([path], PROMPTED_CAPTIONS, {});
      const root = rootOf(images, [...new Set([folder, dirname(path), ...roots])]);
      if (root !== undefined) tables.push({ path, images, notes, root, split: splitInName(file) });
      else if (images.length > 0) {
        failures.push(
          `${file} names ${counted(images.length, 'image')}, none of which is here: ${images[0].image}`,
        );
      }
    } catch (thrown) {
      if (!(thrown instanceof LavisError)) throw thrown;
      failures.push(`${file}: ${thrown.headline}${thrown.details.found ? ` (${thrown.details.found})` : ''}`);
    }
  }
  if (tables.length === 0) return { failures };
  return { found: asDataset(tables), failures };
}

/** A file for each split, or the one that knows most. */
function asDataset(tables: readonly Table[]): RecognisedFolder {
  const [best] = [...tables].sort((a, b) => b.images.length - a.images.length);
  const parts = tables.filter(({ root, split }) => root === best.root && split !== undefined);
  const divided =
    best.split !== undefined &&
    new Set(parts.map(({ split }) => split)).size === parts.length &&
    parts.length > 1;
  const used = divided ? parts : [best];
  const unused = tables.filter((table) => !used.includes(table));
  const annotations = divided
    ? Object.fromEntries(parts.map(({ path, split }) => [split, { storage: path }]))
    : { all: { storage: best.path } };
  return {
    dataset: 'custom_caption',
    buildInfo: { annotations, images: { storage: best.root } },
    images: used.flatMap(({ images, split }) =>
      images.map((one) => ({ ...plainly(one), ...(divided && { split }) })),
    ),
    notes: [
      ...used.flatMap(({ notes }) => notes),
      ...unused.map(({ path, images }) => `${path}, with ${counted(images.length, 'image')}, is not used`),
    ],
  };
}

/** 'captions_train2017.json' and 'val.csv' are named as splits. */
function splitInName(file: string): Split | undefined {
  const words = parse(file)
    .name.toLowerCase()
    .split(/[^a-z]+/);
  const named = words.find((word) => word in SPLIT_NAMES);
  return named === undefined ? folderSplit(file) : SPLIT_NAMES[named];
}

/** All folders with images in them, and those above. */
function foldersOf(files: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const file of files) {
    if (!isImageFile(file)) continue;
    for (let at = dirname(file); at !== '.'; at = dirname(at)) folders.add(at);
  }
  return [...folders].sort();
}

/** The folder in which most of some images lie; undefined where none has any. */
function rootOf(images: readonly OwnImage[], roots: readonly string[]): string | undefined {
  const step = Math.max(1, Math.floor(images.length / 50));
  const looked = images.filter((_, i) => i % step === 0);
  const hits = (root: string) => {
    const there = looked.map((one) => ({ ...one }));
    locateImages(there, root);
    return there.filter(({ image }) => existsSync(resolve(root, image))).length;
  };
  let best: { root?: string; count: number } = { count: 0 };
  for (const root of roots) {
    const count = hits(root);
    if (count > best.count) best = { root, count };
    if (count === looked.length && count > 0) break;
  }
  return best.root;
}
