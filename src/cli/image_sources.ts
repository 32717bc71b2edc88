import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { DataError } from '../common/errors.js';
import { downloadFile } from '../fetch/index.js';
import { decodeImage, type RgbImage } from '../processors/index.js';

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif)$/i;

const isUrl = (source: string) => /^https?:\/\//i.test(source);

/**
 * The images that a command line names: files, folders with all below them, globs (for a shell that leaves
 * them), URLs. In the order given, folders and globs by name; none twice.
 * @throws DataError for what is not there, or a folder or glob without an image.
 */
export async function imagesOf(sources: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const source of sources) found.push(...(await expand(source)));
  return [...new Set(found)];
}

async function expand(source: string): Promise<string[]> {
  if (isUrl(source)) return [source];
  const info = await stat(source).catch(() => undefined);
  if (info?.isDirectory()) return orNone(await imagesBelow(source), source);
  if (info || !/[*?[{]/.test(source)) {
    if (info) return [source];
    throw new DataError('an image is missing', { where: source, found: 'no file of this name' });
  }
  const fixed = source.search(/[*?[{]/);
  const base = dirname(`${source.slice(0, fixed)}x`);
  const below = await imagesBelow(base, source.slice(fixed).includes('/')).catch(() => []);
  const pattern = globPattern(source);
  return orNone(
    below.filter((path) => pattern.test(path.replaceAll(sep, '/'))),
    source,
  );
}

function orNone(images: string[], where: string): string[] {
  if (images.length > 0) return images;
  throw new DataError('there is no image', {
    where,
    allowed: 'JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF files',
  });
}

/** Every image file in a folder, and in the folders in it, by name. */
export async function imagesBelow(folder: string, recursive = true): Promise<string[]> {
  const entries = await readdir(folder, { recursive, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory() && IMAGE.test(entry.name));
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}

/** `*` and `?` within a name, `**` over folders, `[abc]`, `{one,two}`. */
export function globPattern(glob: string): RegExp {
  const translated = glob
    .replace(/^\.\//, '')
    .replace(/\*\*\/|\*\*|\*|\?|\{[^{}]*\}|\[!?[^\]]+\]|[\\^$.|+()[\]{}]/g, (token) => {
      if (token === '**/') return '(?:.*/)?';
      if (token === '**') return '.*';
      if (token === '*') return '[^/]*';
      if (token === '?') return '[^/]';
      if (token.length > 2 && token[0] === '{')
        return `(?:${token.slice(1, -1).split(',').map(quoted).join('|')})`;
      if (token.length > 2 && token[0] === '[') return token.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
      return `\\${token}`;
    });
  return new RegExp(`^${translated}$`);
}

const quoted = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** @throws DataError when it cannot be fetched or decoded. */
export async function readImage(source: string): Promise<RgbImage> {
  if (!isUrl(source)) return decodeImage(source);
  const folder = await mkdtemp(join(tmpdir(), 'lavis-image-'));
  try {
    const path = join(folder, 'image');
    await downloadFile(source, path, { attempts: 2 });
    return await decodeImage(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
