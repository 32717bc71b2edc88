import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileSystemPath, pathText } from '../common/paths.js';
import { isHidden, nameKind } from './image_format.js';

/** What was passed over in folders, counted by kind: `.txt`, `hidden`. */
export type LeftOut = Map<string, number>;

export interface ImageFileOptions {
  /** Whether folders in a folder are looked through too; true by default. */
  recursive?: boolean;
  /** Counts what is not taken. */
  leftOut?: LeftOut;
}

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
  }: ImageFileOptions & { matched?: (path: string) => boolean } = {},
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
      else addLeftOut(leftOut, info ? kindInWords(kind, name) : 'broken links');
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

/** What was left out, for a message: '2 .heic, 12 .txt, 1 hidden'. */
export function inWords(leftOut: LeftOut): string {
  return [...leftOut]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
}

export const hasHeic = (leftOut: LeftOut) => [...leftOut.keys()].some((kind) => /^\.hei[cf]/.test(kind));

/** Counts what was not taken. */
export const addLeftOut = (leftOut: LeftOut | undefined, kind: string, count = 1) =>
  leftOut?.set(kind, (leftOut.get(kind) ?? 0) + count);
