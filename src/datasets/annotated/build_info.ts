import { ConfigError } from '../../common/errors.js';
import { cachePath } from '../../common/paths.js';
import type { Split } from '../types.js';

/** A dataset's section of the configuration, as the merge leaves it. */
export type DatasetSection = Readonly<Record<string, unknown>>;

/** One annotation file: where it lies, and where it comes from. */
export interface AnnotationFile {
  path: string;
  url?: string;
  md5?: string;
  /** The option that points elsewhere. */
  option: string;
}

type Table = Readonly<Record<string, unknown>>;

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A table inside a section; null and absent are empty. @throws ConfigError for anything else. */
export function tableAt(section: Table, key: string, where: string): Table {
  const value = section[key] ?? {};
  if (isTable(value)) return value;
  throw new ConfigError(`${where}.${key} is not a table of keys`, {
    where: `${where}.${key}`,
    found: JSON.stringify(value),
  });
}

/** The annotation files of each split; a split set to null is left out. */
export function annotationFiles(section: DatasetSection, dataset: string): Map<Split, AnnotationFile[]> {
  const where = `datasets.${dataset}.build_info`;
  const annotations = tableAt(tableAt(section, 'build_info', `datasets.${dataset}`), 'annotations', where);
  const files = new Map<Split, AnnotationFile[]>();
  for (const split of Object.keys(annotations)) {
    if (annotations[split] === null) continue;
    const info = tableAt(annotations, split, `${where}.annotations`);
    const at = `${where}.annotations.${split}`;
    const storage = strings(info.storage, `${at}.storage`);
    const urls = strings(info.url, `${at}.url`);
    const md5 = strings(info.md5, `${at}.md5`);
    if (storage.length === 0) {
      throw new ConfigError(`${at} names no file`, {
        where: at,
        allowed: 'storage: a path or a list of paths',
      });
    }
    // Overriding storage alone leaves the default url behind, one for several files or several for one.
    const paired = urls.length === storage.length;
    files.set(
      split,
      storage.map((path, i) => ({
        path: cachePath(path),
        url: paired ? urls[i] : undefined,
        md5: paired ? md5[i] : undefined,
        option: `${at}.storage=/path/to/${split}.json`,
      })),
    );
  }
  return files;
}

/** The folder that image paths are relative to, as it is written. @throws ConfigError when none is given. */
export function imageFolder(section: DatasetSection, dataset: string): string {
  const dataType = String(section.data_type ?? 'images');
  const where = `datasets.${dataset}.build_info`;
  const images = tableAt(tableAt(section, 'build_info', `datasets.${dataset}`), dataType, where);
  const [storage] = strings(images.storage, `${where}.${dataType}.storage`);
  if (storage) return storage;
  throw new ConfigError(`${where}.${dataType} names no folder`, { allowed: 'storage: a folder' });
}

/** A string or a list of strings, as a list; null and absent are empty. @throws ConfigError otherwise. */
export function strings(value: unknown, where: string): string[] {
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value) ? value : [value];
  if (list.every((item) => typeof item === 'string' && item !== '')) return list as string[];
  throw new ConfigError(`${where} is neither a string nor a list of strings`, {
    where,
    found: JSON.stringify(value),
  });
}
