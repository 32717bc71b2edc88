import { existsSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { cachePath } from '../common/paths.js';
import { isPlainObject, type PlainObject, type PlainValue } from '../config/index.js';
import type { DownloadItem } from '../fetch/index.js';

const COCO_IMAGES = 'http://images.cocodataset.org/zips';
const COCO_ARCHIVES: Record<string, string | undefined> = {
  train2014: '0da8c0bd3d6becc4dcb32757491aca88',
  val2014: 'a3d79f5ed8d289b7a7554ce06a5782b3',
  test2014: '04127eef689ceac55e3a572c2c92f264',
  test2015: undefined,
};
/** Karpathy's train split takes in most of val2014; his val and test are the rest of it. */
const COCO_ARCHIVES_OF: Record<string, readonly string[]> = {
  train: ['train2014', 'val2014'],
  val: ['val2014'],
  test: ['val2014'],
  test2014: ['test2014'],
  test2015: ['test2015'],
};
export const SPLITS = Object.keys(COCO_ARCHIVES_OF);

/**
 * The annotation files of a dataset's section that have a url, of the splits wanted, and its images: the
 * archives of `images.url`, or COCO's.
 */
export function datasetItems(name: string, section: PlainObject, splits: readonly string[]): DownloadItem[] {
  const info = tableAt(section, 'build_info');
  const annotations = tableAt(info, 'annotations');
  const items: DownloadItem[] = [];
  for (const split of Object.keys(annotations)) {
    // Some datasets have splits of other names: they come whole.
    if (SPLITS.includes(split) && !splits.includes(split)) continue;
    items.push(...annotationItems(name, split, tableAt(annotations, split)));
  }
  const images = tableAt(info, typeof section.data_type === 'string' ? section.data_type : 'images');
  const option = `--options datasets.${name}.build_info.images.storage=FOLDER`;
  const folder = typeof images.storage === 'string' ? cachePath(images.storage) : undefined;
  if (folder === undefined) return items;
  const urls = texts(images.url);
  if (urls.length > 0) return [...items, ...archiveItems(name, folder, option, urls, texts(images.md5))];
  // Images somewhere of the user's own are the user's own.
  if (name !== 'coco_caption' || isAbsolute(String(images.storage))) return items;
  const archives = new Set(splits.flatMap((split) => COCO_ARCHIVES_OF[split] ?? []));
  return [...items, ...[...archives].map((archive) => cocoItem(archive, folder, option))];
}

function annotationItems(name: string, split: string, table: PlainObject): DownloadItem[] {
  const storage = texts(table.storage);
  const urls = texts(table.url);
  const md5 = texts(table.md5);
  if (urls.length !== storage.length) return [];
  return storage.map((path, i) => ({
    what: `the ${split} annotations`,
    url: urls[i],
    md5: md5[i],
    path: cachePath(path),
    option: `--options datasets.${name}.build_info.annotations.${split}.storage=FILE`,
  }));
}

/** One archive becomes the folder of the images itself, several a folder each inside it. */
function archiveItems(
  name: string,
  folder: string,
  option: string,
  urls: readonly string[],
  md5: readonly string[],
): DownloadItem[] {
  return urls.map((url, i) => {
    const file = basename(new URL(url).pathname);
    const stem = file.replace(/\.(zip|tar|tar\.gz|tgz)$/, '');
    const target = urls.length === 1 ? folder.replace(/\/+$/, '') : join(folder, stem);
    return {
      what: `the images of ${name}`,
      url,
      md5: md5[i],
      path: `${target}.${file.slice(stem.length + 1) || 'archive'}`,
      option,
      unpack: {
        folder: target,
        // The usual folder inside, named as the archive, would only be in the way.
        pick: (member) =>
          member.startsWith(`${stem}/`) ? member.slice(stem.length + 1) || undefined : member,
        present: () => existsSync(target),
      },
    };
  });
}

function cocoItem(name: string, folder: string, option: string): DownloadItem {
  const target = join(folder, name);
  return {
    what: `the images of ${name}`,
    url: `${COCO_IMAGES}/${name}.zip`,
    md5: COCO_ARCHIVES[name],
    path: `${target}.zip`,
    option,
    unpack: {
      folder: target,
      pick: (member) => (member.startsWith(`${name}/`) ? member.slice(name.length + 1) : undefined),
      present: () => existsSync(target),
    },
  };
}

function texts(value: PlainValue | undefined): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item): item is string => typeof item === 'string' && item !== '');
}

function tableAt(table: PlainObject, key: string): PlainObject {
  const inner = table[key];
  return isPlainObject(inner) ? inner : {};
}
