import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileSystemPath, pathText } from '../common/paths.js';
import { isHidden, nameKind } from './image_format.js';

/** Files skipped in folders, counted by kind: `.txt`, `hidden`. */
export type LeftOut = Map<string, number>;

export interface ImageFileOptions {
  /** Whether to search subfolders too; true by default. */
  recursive?: boolean;
  /** Receives the counts of skipped files. */
  leftOut?: LeftOut;
}

/**
 * Every image file in a folder and its subfolders, sorted by name. Links to folders are followed, but each folder is
 * visited once; hidden files and those that operating systems create are skipped.
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

/** The skipped files, for a message: '2 .heic, 12 .txt, 1 hidden'. */
export function inWords(leftOut: LeftOut): string {
  return [...leftOut]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
}

export const hasHeic = (leftOut: LeftOut) => [...leftOut.keys()].some((kind) => /^\.hei[cf]/.test(kind));

/** Counts skipped files. */
export const addLeftOut = (leftOut: LeftOut | undefined, kind: string, count = 1) =>
  leftOut?.set(kind, (leftOut.get(kind) ?? 0) + count);
