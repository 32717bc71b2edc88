import { mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, extname, join, sep } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileSystemPath, lossyText, pathText } from '../common/byte_paths.js';
import { DataError } from '../common/errors.js';
import { downloadFile } from '../fetch/index.js';
import { HEIC_HELP, isHidden, nameKind } from '../processors/index.js';

/** Names standard input among the images. */
export const STDIN = '-';

export const isUrl = (source: string) => /^https?:\/\//i.test(source);

/** What was passed over in folders, counted by kind: `.txt`, `hidden`. */
export type LeftOut = Map<string, number>;

export interface SearchOptions {
  /** Whether folders in a folder are looked through too; true unless given. */
  recursive?: boolean;
  /** Counts what is not taken. */
  leftOut?: LeftOut;
}

/**
 * The images that a command line names: files, folders with all below them, globs (for a shell that leaves
 * them), URLs, `-` for standard input. In the order given, folders and globs by name; none twice.
 * @throws DataError for what is not there, or a folder or glob without an image.
 */
export async function imagesOf(sources: readonly string[], options: SearchOptions = {}): Promise<string[]> {
  const found: string[] = [];
  for (const source of sources) {
    const leftOut: LeftOut = new Map();
    found.push(...(await expand(source, { ...options, leftOut })));
    for (const [kind, count] of leftOut) add(options.leftOut, kind, count);
  }
  return [...new Set(found)];
}

async function expand(source: string, options: SearchOptions): Promise<string[]> {
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
  const pattern = globPattern(source);
  const matched = (path: string) => pattern.test(path.replaceAll(sep, '/'));
  const below = await imagesBelow(base, { recursive, leftOut: options.leftOut, matched }).catch(() => []);
  return orNone(below, source, options.leftOut);
}

/** The files that a name from the command line may stand for, whose bytes that are not UTF-8 it has lost. */
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

/** What was left out, for a message: '2 .heic, 12 .txt, 1 hidden'. */
export function inWords(leftOut: LeftOut): string {
  return [...leftOut]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
}

export const hasHeic = (leftOut: LeftOut) => [...leftOut.keys()].some((kind) => /^\.hei[cf]/.test(kind));

const add = (leftOut: LeftOut | undefined, kind: string, count = 1) =>
  leftOut?.set(kind, (leftOut.get(kind) ?? 0) + count);

/**
 * Every image file in a folder, and in the folders in it, by name. Links to folders are followed, each folder
 * is looked through once; hidden files and those that systems make for themselves are not taken.
 */
export async function imagesBelow(
  folder: string,
  {
    recursive = true,
    leftOut,
    matched = () => true,
  }: SearchOptions & { matched?: (path: string) => boolean } = {},
): Promise<string[]> {
  const images: string[] = [];
  const seen = new Set<string>();
  // Linked folders come last: what is in the folder itself keeps its own name.
  const linked: string[] = [];
  const walk = async (at: string): Promise<void> => {
    const real = (await realpath(fileSystemPath(at), 'buffer')).toString('latin1');
    if (seen.has(real)) return;
    seen.add(real);
    for (const entry of await readdir(fileSystemPath(at), { withFileTypes: true, encoding: 'buffer' })) {
      const name = pathText(entry.name);
      const path = join(at, name);
      const info = entry.isSymbolicLink() ? await stat(fileSystemPath(path)).catch(() => undefined) : entry;
      const hidden = isHidden(name);
      if (info?.isDirectory()) {
        if (!recursive || hidden) continue;
        if (entry.isSymbolicLink()) linked.push(path);
        else await walk(path);
        continue;
      }
      if (!matched(path)) continue;
      const kind = nameKind(name);
      if (info?.isFile() && kind === 'image') images.push(path);
      else add(leftOut, info ? kindInWords(kind, name) : 'broken links');
    }
  };
  await walk(folder);
  for (let path = linked.shift(); path !== undefined; path = linked.shift()) await walk(path);
  return images.sort();
}

function kindInWords(kind: ReturnType<typeof nameKind>, name: string): string {
  if (kind === 'hidden') return 'hidden';
  return extname(name).toLowerCase() || 'without an ending';
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

/**
 * What to decode: a path as it is, the bytes of a URL or of standard input.
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
