import { join, parse } from 'node:path';
import { DataError } from '../../common/errors.js';
import { readText } from '../../common/text_file.js';
import { isNothing } from '../annotated/annotations.js';
import { isImageFile } from '../annotated/image_id.js';
import { folderSplit, type OwnImage } from '../own/assign_splits.js';
import type { OwnTables } from '../own/own_table.js';

/** What captions beside their images end in. */
export const SIDECARS: readonly string[] = ['.txt', '.caption'];

/**
 * The images of a folder whose captions lie beside them under the same name: every line is one.
 * @param files of the folder, with slashes
 * @param extensions of the captions; with several, an image has only one of them
 * @throws DataError for empty files, all in one message, and for a folder without captions
 */
export async function readSidecars(
  folder: string,
  files: readonly string[],
  extensions: readonly string[],
): Promise<OwnTables> {
  const there = new Set(files);
  const images: OwnImage[] = [];
  const empty: string[] = [];
  const bare: string[] = [];
  const used = new Set<string>();
  for (const path of files) {
    if (!isImageFile(path)) continue;
    const file = sidecarOf(path, there, extensions, folder);
    if (!file) {
      bare.push(path);
      continue;
    }
    used.add(file);
    const source = join(folder, file);
    const lines = (await readText(source, { what: "an image's caption file" })).split(/\r\n|\n|\r/);
    const captions = lines.map((line) => line.trim()).filter((line) => !isNothing(line));
    if (captions.length === 0) empty.push(source);
    const place = { file: source, index: 0, line: 1 };
    images.push({
      image: path,
      rows: [{ ...place, texts: { caption: captions } }],
      split: folderSplit(path),
      ...place,
      stem: false,
    });
  }
  if (empty.length > 0) {
    throw new DataError(
      empty.length === 1 ? 'a caption file is empty' : `${empty.length} caption files are empty`,
      {
        where: [...empty.slice(0, 10), ...(empty.length > 10 ? [`and ${empty.length - 10} more`] : [])].join(
          '\n',
        ),
        help: 'write captions into them, or take them and their images out',
      },
    );
  }
  if (images.length === 0) {
    throw new DataError('a folder has no images with captions', {
      where: folder,
      found: bare.length > 0 ? `${bare.length} images, ${bare[0]} for one` : 'no image',
      allowed: extensions.map((extension) => `dog.jpg with dog${extension}`).join(', or '),
    });
  }
  const alone = files.filter((path) => extensions.includes(parse(path).ext.toLowerCase()) && !used.has(path));
  return {
    images,
    notes: [
      ...leftOut(folder, bare, 'images have no captions'),
      ...leftOut(folder, alone, 'caption files have no image'),
    ],
  };
}

/** A note on files that are not used, where there are any. */
export const leftOut = (folder: string, paths: readonly string[], what: string): string[] =>
  paths.length > 0 ? [`${folder}: ${paths.length} ${what} and are left out, ${paths[0]} for one`] : [];

/** `dog.txt` or `dog.jpg.txt` for `dog.jpg`. */
function sidecarOf(
  image: string,
  there: ReadonlySet<string>,
  extensions: readonly string[],
  folder: string,
): string | undefined {
  const stem = image.slice(0, -parse(image).ext.length);
  const found = extensions
    .flatMap((extension) => [`${stem}${extension}`, `${image}${extension}`])
    .filter((path) => there.has(path));
  if (found.length < 2) return found[0];
  throw new DataError('an image has two caption files', {
    where: join(folder, image),
    found: found.join(', '),
    help: 'build_info.caption_extension: .txt takes those alone',
  });
}
