import { basename, dirname, join, relative } from 'node:path';
import { DataError } from '../../common/errors.js';
import { isImageFile } from '../annotated/image_id.js';
import { folderSplit, type OwnImage } from '../own/assign_splits.js';
import type { TableForm, TableKeys } from '../own/columns.js';
import { relocate } from '../own/own_builder.js';
import { type OwnTables, readOwnTables } from '../own/own_table.js';
import { leftOut } from './sidecars.js';

const METADATA = /^metadata\.(csv|jsonl|parquet)$/i;

/** Whether a file is a table that names the images beside and below it, as Hugging Face's imagefolder has it. */
export const isMetadata = (path: string): boolean => METADATA.test(basename(path));

/**
 * The images of a folder that its tables name: `metadata.csv` or `metadata.jsonl`, in it or in the folders of splits,
 * with `file_name` relative to the table. Source: huggingface.co/docs/datasets, imagefolder.
 * @param files of the folder, with slashes
 * @throws DataError for Parquet, for two tables of one folder, and as `readOwnTables`
 */
export async function readImageFolder(
  folder: string,
  files: readonly string[],
  form: TableForm,
  keys: TableKeys,
): Promise<OwnTables> {
  const tables = files.filter(isMetadata);
  refuseUnread(folder, tables);
  const images: OwnImage[] = [];
  const notes: string[] = [];
  for (const table of tables) {
    const path = join(folder, table);
    // By themselves: tables of two folders may both have a 1.jpg.
    const read = await readOwnTables([path], form, keys);
    relocate(read.images, dirname(path), folder);
    for (const one of read.images) one.split ??= folderSplit(one.image.replaceAll('\\', '/'));
    images.push(...read.images);
    notes.push(...read.notes);
  }
  const named = new Set(images.map(({ image }) => image));
  const bare = files.filter((path) => isImageFile(path) && !named.has(path));
  return { images, notes: [...notes, ...leftOut(folder, bare, 'images stand in no metadata')] };
}

function refuseUnread(folder: string, tables: readonly string[]): void {
  if (tables.length === 0) {
    throw new DataError('a folder has no table of metadata', {
      where: folder,
      allowed: 'metadata.csv or metadata.jsonl, with the columns file_name and caption (or text)',
    });
  }
  const twice = tables.filter((one) => tables.filter((other) => dirname(other) === dirname(one)).length > 1);
  const parquet = tables.find((path) => /parquet$/i.test(path));
  if (parquet !== undefined && !twice.includes(parquet)) {
    const path = relative(process.cwd(), join(folder, parquet));
    throw new DataError('a table of metadata is in Parquet, which is not read', {
      where: join(folder, parquet),
      allowed: 'metadata.csv or metadata.jsonl',
      help: `python -c "import pandas; pandas.read_parquet('${path}').to_csv('${path.replace(/parquet$/i, 'csv')}', index=False)", and move the Parquet away`,
    });
  }
  if (twice.length === 0) return;
  throw new DataError('a folder has two tables of metadata', {
    where: join(folder, dirname(twice[0])),
    found: twice
      .filter((path) => dirname(path) === dirname(twice[0]))
      .map((path) => basename(path))
      .join(', '),
    help: 'leave one of them there',
  });
}
