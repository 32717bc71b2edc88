import { join, parse } from 'node:path';
import { DataError } from '../../common/errors.js';
import { counted } from '../../common/words.js';
import { isImageFile } from '../annotated/image_id.js';
import { folderSplit, type OwnImage } from '../own/assign_splits.js';
import type { OwnTables } from '../own/own_table.js';

/**
 * The images of a folder, each with its file's name as caption: `a_red_car (2).jpg` is "a red car".
 * @param files of the folder, with slashes
 * @throws DataError for names that say nothing, such as cameras give, all in one message
 */
export function readFileNames(folder: string, files: readonly string[]): OwnTables {
  const images: OwnImage[] = [];
  const mute: string[] = [];
  for (const path of files) {
    if (!isImageFile(path)) continue;
    const caption = captionInName(parse(path).name);
    if (caption === undefined) {
      mute.push(path);
      continue;
    }
    const place = { file: join(folder, path), index: 0 };
    images.push({
      image: path,
      rows: [{ ...place, texts: { caption: [caption] } }],
      split: folderSplit(path),
      ...place,
      stem: false,
    });
  }
  if (mute.length > 0) {
    throw new DataError(`${counted(mute.length, 'image')} whose name is not a caption`, {
      where: [
        ...mute.slice(0, 10).map((path) => join(folder, path)),
        ...(mute.length > 10 ? [`and ${mute.length - 10} more`] : []),
      ].join('\n'),
      allowed: 'a_red_car.jpg, "two dogs (3).png"',
      help: 'rename them, move them away, or write captions beside them: build_info.caption_from: beside',
    });
  }
  if (images.length === 0) throw new DataError('a folder has no images', { where: folder });
  return { images, notes: [] };
}

/** What cameras, telephones and programs call pictures. */
const NAMED_BY_A_CAMERA =
  /^(img|dscn?|dscf|dji|gopr|pxl|mvi|vid|p|scan|image|picture|photo|foto|screenshot|screen ?shot|whatsapp image|signal|untitled|frame)?[\s\d.:-]*(at|am|pm)?[\s\d.:-]*$/i;

/**
 * The words of a name: underscores, and hyphens in a name without blanks, are blanks; the number of a copy is taken off.
 * @returns undefined for a name without words
 */
export function captionInName(stem: string): string | undefined {
  const counted = stem.replace(/(\s*\(\d+\)|[_-]\d+)+$/, '');
  const spaced = counted.replaceAll(/[_+]/g, ' ');
  const words = (/\s/.test(spaced) ? spaced : spaced.replaceAll('-', ' ')).replaceAll(/\s+/g, ' ').trim();
  return NAMED_BY_A_CAMERA.test(words) ||
    !/\p{L}{2}|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(words)
    ? undefined
    : words;
}
