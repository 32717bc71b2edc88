import { readdir } from 'node:fs/promises';
import { join, parse, relative } from 'node:path';
import { isHidden } from '../../processors/index.js';
import type { TableForm, TableKeys } from '../own/columns.js';
import type { OwnTables } from '../own/own_table.js';
import { readFileNames } from './file_names.js';
import { isMetadata, readImageFolder } from './image_folder.js';
import { leftOut, readSidecars, SIDECARS } from './sidecars.js';

/** Where the captions of a folder's images are. */
export const CAPTION_PLACES = ['beside', 'metadata', 'file_name'] as const;
export type CaptionPlace = (typeof CAPTION_PLACES)[number];

export interface CaptionFolderOptions {
  /** Found where left out: in tables of metadata where there are any, else in text files beside the images. */
  from?: CaptionPlace;
  /** What text files beside images end in. */
  extensions?: readonly string[];
  /** What the tables hold, and what their columns are called. */
  form: TableForm;
  keys?: TableKeys;
}

/**
 * The images of a folder, and of the folders in it, with their captions. A folder named as a split holds its images.
 * Hidden files are passed over, links are not followed.
 * @throws DataError as the reader of each place says
 */
export async function readCaptionFolder(
  folder: string,
  { from, extensions = SIDECARS, form, keys = {} }: CaptionFolderOptions,
): Promise<OwnTables> {
  const files = await filesBelow(folder);
  const place = from ?? (files.some(isMetadata) ? 'metadata' : 'beside');
  if (place === 'metadata') {
    const { images, notes } = await readImageFolder(folder, files, form, keys);
    const texts = files.filter((path) => extensions.includes(parse(path).ext.toLowerCase()));
    return {
      images,
      notes: [...notes, ...leftOut(folder, texts, 'text files lie beside images that metadata describes')],
    };
  }
  return place === 'beside' ? readSidecars(folder, files, extensions) : readFileNames(folder, files);
}

/** Paths below a folder, with slashes, in the order of their names. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
  return paths.filter((path) => !path.split('/').some(isHidden)).sort();
}
