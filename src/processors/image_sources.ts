import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataError } from '../common/errors.js';
import { globMatcher } from '../common/glob.js';
import { lossyText } from '../common/paths.js';
import { downloadFile } from '../fetch/index.js';
import {
  addLeftOut,
  hasHeic,
  type ImageFileOptions,
  imagesBelow,
  inWords,
  type LeftOut,
} from './image_files.js';
import { HEIC_HELP } from './image_format.js';

/** Stands for standard input in a list of images. */
export const STDIN = '-';

export const isUrl = (source: string) => /^https?:\/\//i.test(source);

/**
 * The images that a command line names: files, folders (recursively), globs (for shells that do not expand them),
 * URLs, and `-` for standard input. In the order given, folders and globs sorted by name, without duplicates.
 * @throws DataError for a missing file, or a folder or glob without an image.
 */
export async function imagesOf(
  sources: readonly string[],
  options: ImageFileOptions = {},
): Promise<string[]> {
  const found: string[] = [];
  for (const source of sources) {
    const leftOut: LeftOut = new Map();
    found.push(...(await expand(source, { ...options, leftOut })));
    for (const [kind, count] of leftOut) addLeftOut(options.leftOut, kind, count);
  }
  return [...new Set(found)];
}

async function expand(source: string, options: ImageFileOptions): Promise<string[]> {
  if (source === STDIN || isUrl(source)) return [source];
  const info = await stat(source).catch(() => undefined);
  if (info?.isDirectory()) return orNone(await imagesBelow(source, options), source, options.leftOut);
  if (info || !/[*?[{]/.test(source)) {
    if (info) return [source];
    const odd = source.includes('\ufffd') ? await oddlyNamed(source) : [];
    if (odd.length > 0) return odd;
    throw new DataError('an image is missing', { where: source, found: 'no file of this name' });
  }
  const fixed = source.search(/[*?[{]/);
  const base = dirname(`${source.slice(0, fixed)}x`);
  const recursive = source.slice(fixed).includes('/');
  const matches = globMatcher(source, { dot: true });
  const matched = (path: string) => matches(path.replaceAll(sep, '/'));
  const below = await imagesBelow(base, { recursive, leftOut: options.leftOut, matched }).catch(() => []);
  return orNone(below, source, options.leftOut);
}

/** The files that a command-line name may mean: it has lost any bytes that are not UTF-8. */
async function oddlyNamed(source: string): Promise<string[]> {
  const below = await imagesBelow(dirname(source), { recursive: false }).catch(() => []);
  return below.filter((path) => lossyText(path) === join(source));
}

function orNone(images: string[], where: string, leftOut?: LeftOut): string[] {
  if (images.length > 0) return images;
  throw new DataError('there is no image', {
    where,
    found: leftOut && leftOut.size > 0 ? `only ${inWords(leftOut)}` : undefined,
    allowed: 'JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF files',
    help: leftOut && hasHeic(leftOut) ? HEIC_HELP : undefined,
  });
}

/**
 * What to decode: a path unchanged, or the bytes of a URL or of standard input.
 * @throws DataError when they cannot be fetched.
 */
export async function imageBytes(source: string): Promise<string | Uint8Array> {
  if (source === STDIN) return await buffer(process.stdin);
  if (!isUrl(source)) return source;
  const folder = await mkdtemp(join(tmpdir(), 'lavis-image-'));
  try {
    const path = join(folder, 'image');
    await downloadFile(source, path, { attempts: 2 });
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Watches folders for images and yields those already there first. Each is yielded once, when it is complete: its
 * size has stopped changing. Polls, since that works on network folders too.
 */
export async function* newImages(
  folders: readonly string[],
  seen: Set<string>,
  signal: AbortSignal,
  { intervalMs = 500, recursive = true }: { intervalMs?: number; recursive?: boolean } = {},
): AsyncGenerator<string[]> {
  const sizes = new Map<string, number>();
  while (!signal.aborted) {
    const whole: string[] = [];
    for (const path of (
      await Promise.all(folders.map((folder) => imagesBelow(folder, { recursive }).catch(() => [])))
    ).flat()) {
      if (seen.has(path)) continue;
      const size = (await stat(path).catch(() => undefined))?.size ?? 0;
      if (size > 0 && sizes.get(path) === size) {
        whole.push(path);
        seen.add(path);
        sizes.delete(path);
      } else sizes.set(path, size);
    }
    if (whole.length > 0) yield whole;
    await sleep(intervalMs, undefined, { signal }).catch(() => {});
  }
}
