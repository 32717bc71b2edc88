import { createHash } from 'node:crypto';
import { type Stats, stat as statFile } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { DataError, messageOf } from '../common/errors.js';
import { cacheRoot, fileSystemPath } from '../common/paths.js';
import { withFileLock } from '../fetch/index.js';
import { type FeatureModel, featureModel, hashTensors, type Model, stacked } from '../models/index.js';
import {
  ALLOWED_FORMATS,
  HEIC_HELP,
  hasHeic,
  hashProcessor,
  type ImageArray,
  type ImageProcessor,
  imagesBelow,
  inWords,
  type LeftOut,
  samplePixels,
  type TextProcessor,
} from '../processors/index.js';
import { type Entry, FeatureStore } from './feature_store.js';

export interface IndexOptions {
  /** The text processor for queries, such as `txtProcessors.eval`. */
  textProcessor?: TextProcessor;
  /** The batch size; 16 by default. */
  batchSize?: number;
  /** Whether to search subfolders too; true by default. */
  recursive?: boolean;
  /** `false` answers from the cached features without reading the folder. */
  update?: boolean;
  /** Called with how many of the new or changed images are done. */
  onProgress?: (done: number, total: number) => void;
  /** Called for each image that cannot be read. */
  onBroken?: (path: string, reason: string) => void;
  /** Called when another process is indexing the folder and this one has to wait. */
  onWait?: (holder: string) => void;
}

/** The features of a folder's images, and the model that computed them: the input of `search`. */
export interface ImageIndex {
  /** Absolute. */
  folder: string;
  /** Paths of the images, relative to the folder, sorted by name. */
  paths: readonly string[];
  /** The row of each image's features. */
  rows: Int32Array;
  /** [rows, width], each row of length 1; some rows may no longer belong to an image. */
  features: Float32Array;
  width: number;
  /** How many features were computed by this call; the others came from the cache. */
  made: number;
  model: FeatureModel;
  processor: ImageProcessor;
  textProcessor?: TextProcessor;
}

/** Resolves a folder's real path, before a model is loaded. @throws DataError if it does not exist or is a file */
export async function searchedFolder(folder: string): Promise<string> {
  const root = await realpath(folder).catch((cause: unknown) => {
    throw new DataError('the folder does not exist', { where: resolve(folder), cause });
  });
  if ((await stat(root)).isDirectory()) return root;
  throw new DataError('the search path is not a folder', { where: root, found: 'a file' });
}

/**
 * Computes the features of all images in a folder. They are cached for these weights and this processor; a file
 * that is new or has changed (by size and time, then by a hash of its bytes) is read again, a moved or copied one is
 * not. Features are saved as they are computed: a process that is killed loses about a second of work.
 * @param model used in its current mode: call `model.eval()` first
 * @param processor the model's image processor, such as `visProcessors.eval`
 * @throws DataError for a folder that does not exist or has no image; ConfigError for a model without features
 */
export async function openIndex(
  model: Model,
  processor: ImageProcessor,
  folder: string,
  options: IndexOptions = {},
): Promise<ImageIndex> {
  const maker = { model: featureModel(model), processor };
  const root = await searchedFolder(folder);
  const place = await placeOf(root, maker);
  const { store, made } = await withFileLock(
    join(place, 'lock'),
    async () => {
      const about = { about: root, width: await widthOf(maker) };
      const opened = await FeatureStore.open(place, about);
      return { store: opened, made: await brought(opened, root, maker, options) };
    },
    { onWait: options.onWait },
  );
  const there: Entry[] = [];
  for (const entry of store.entries()) {
    if (entry.row !== undefined) there.push(entry);
    else options.onBroken?.(join(root, entry.path), entry.broken ?? '');
  }
  if (there.length === 0) throw nothingIn(root, options);
  there.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    folder: root,
    paths: there.map(({ path }) => path),
    rows: Int32Array.from(there, ({ row }) => row!),
    features: await store.features(),
    width: store.width,
    made,
    ...maker,
    textProcessor: options.textProcessor,
  };
}

/** The cache path of a folder's features. @param root its real path */
export async function placeOf(root: string, maker: Maker): Promise<string> {
  const name = `${basename(root)}-${sha256(root).slice(0, 12)}`;
  return join(cacheRoot(), 'search', name, await keyOf(maker));
}

interface Maker {
  model: FeatureModel;
  processor: ImageProcessor;
}

/** Brings a store up to date. @returns how many features were computed */
async function brought(
  store: FeatureStore,
  root: string,
  maker: Maker,
  { update = true, recursive, batchSize = 16, onProgress, onBroken }: IndexOptions,
): Promise<number> {
  if (!update) return 0;
  const leftOut: LeftOut = new Map();
  const found = await imagesBelow(root, { recursive, leftOut });
  if (found.length === 0) throw noImage(root, leftOut);
  const files = await statAll(found, root);
  const waiting = files.filter(({ path, size, mtime }) => {
    const kept = store.entry(path);
    return kept?.size !== size || kept.mtime !== mtime;
  });
  const seen = new Set<string>(); // copies of one file may come before its features are kept
  let done = 0;
  let pending: Entry[] = [];
  let features: Float32Array[] = [];
  let saved = Date.now();
  const save = async () => {
    await store.add(pending, joined(features));
    [pending, features, saved] = [[], [], Date.now()];
  };
  const read = (start: number) =>
    Promise.all(
      waiting.slice(start, start + batchSize).map((file) => readFileOnce(file, root, store, maker)),
    );
  let reading = read(0);
  for (let start = 0; start < waiting.length; start += batchSize) {
    const results = await reading;
    reading = read(start + batchSize); // while the model is busy
    const fresh: ImageArray[] = [];
    for (const { entry, pixels, unreadable } of results) {
      if (unreadable !== undefined) onBroken?.(join(root, entry.path), unreadable);
      else pending.push(entry);
      if (!pixels || seen.has(entry.hash)) continue;
      fresh.push(pixels);
      seen.add(entry.hash);
    }
    if (fresh.length > 0) features.push(await featuresOf(maker, fresh));
    done += results.length;
    if (Date.now() - saved > 1000) await save();
    onProgress?.(done, waiting.length);
  }
  await save();
  const present = new Set(files.map(({ path }) => path));
  await store.remove([...store.entries()].map(({ path }) => path).filter((path) => !present.has(path)));
  await store.tidy();
  return seen.size;
}

type File = Pick<Entry, 'path' | 'size' | 'mtime'>;

/** Sizes and times, read in chunks; a file that was deleted meanwhile is left out. */
async function statAll(found: readonly string[], root: string): Promise<File[]> {
  const files: File[] = [];
  const below = root.length + (root.endsWith(sep) ? 0 : 1);
  for (let at = 0; at < found.length; at += 256) {
    const some = found.slice(at, at + 256);
    const infos = await Promise.all(some.map(infoOf));
    for (const [i, info] of infos.entries()) {
      if (info) files.push({ path: some[i].slice(below), size: info.size, mtime: info.mtimeMs });
    }
  }
  return files;
}

/** Uses the callback API: fs.promises takes twice as long, which matters for 100,000 files. */
const infoOf = (path: string) =>
  new Promise<Stats | undefined>((done) => {
    statFile(fileSystemPath(path), (error, info) => done(error ? undefined : info));
  });

interface ReadOnce {
  entry: Entry;
  /** Set for an image whose features must be computed. */
  pixels?: ImageArray;
  /** Why a file could not be opened; such files are not cached. */
  unreadable?: string;
}

async function readFileOnce(
  file: File,
  root: string,
  store: FeatureStore,
  { processor }: Maker,
): Promise<ReadOnce> {
  let bytes: Buffer;
  try {
    bytes = await readFile(fileSystemPath(join(root, file.path)));
  } catch (thrown) {
    return { entry: { ...file, hash: '' }, unreadable: messageOf(thrown) };
  }
  const entry: Entry = { ...file, hash: sha256(bytes).slice(0, 32) };
  const row = store.rowOf(entry.hash);
  if (row !== undefined) return { entry: { ...entry, row } };
  try {
    return { entry, pixels: await processor.process(bytes) };
  } catch (thrown) {
    if (!(thrown instanceof DataError)) throw thrown;
    return {
      entry: { ...entry, broken: [thrown.headline, thrown.details.found].filter(Boolean).join(': ') },
    };
  }
}

async function featuresOf({ model }: Maker, pixels: readonly ImageArray[]): Promise<Float32Array> {
  const image = stacked(pixels);
  const features = model.imageFeatures(image);
  try {
    return Float32Array.from(await features.data<'float32'>());
  } finally {
    image.dispose();
    features.dispose();
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

/** Weights that, by their names, do not affect an image's features. */
const OF_OTHERS = /^(text_|itm_head\.|cls_head\.|temp$|\w+_m\.|\w+_queue$|queue_ptr$)/;

/** Identifies what determines an image's features: the weights and the processor's output. */
async function keyOf({ model, processor }: Maker): Promise<string> {
  const hash = createHash('sha256').update(model.constructor.name);
  await hashTensors(
    hash,
    [...model.stateDict()].filter(([name]) => !OF_OTHERS.test(name)),
  );
  await hashProcessor(hash, processor);
  return hash.digest('hex').slice(0, 16);
}

async function widthOf(maker: Maker): Promise<number> {
  return (await featuresOf(maker, [await samplePixels(maker.processor)])).length;
}

function noImage(where: string, leftOut: LeftOut): DataError {
  return new DataError('there is no image', {
    where,
    found: leftOut.size > 0 ? `only ${inWords(leftOut)}` : 'an empty folder',
    allowed: ALLOWED_FORMATS,
    help: hasHeic(leftOut) ? HEIC_HELP : undefined,
  });
}

function nothingIn(where: string, { update = true }: IndexOptions): DataError {
  return update
    ? new DataError('none of the images can be read', { where })
    : new DataError('the folder is not indexed yet for this model', {
        where,
        help: 'leave out --update=false',
      });
}
