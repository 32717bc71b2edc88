import { existsSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { cachePath } from '../../common/paths.js';
import type { DownloadItem } from '../../fetch/index.js';
import type { Split } from '../types.js';
import { type DatasetSection, strings, tableAt } from './build_info.js';
import type { ImageArchive, ImageSource } from './image_source.js';

const USUAL_SPLITS: readonly Split[] = ['train', 'val', 'test'];

/** The annotation files of the wanted splits that have a url. Splits of unusual names come whole. */
export function annotationItems(
  section: DatasetSection,
  dataset: string,
  splits: readonly Split[],
): DownloadItem[] {
  const where = `datasets.${dataset}.build_info`;
  const annotations = tableAt(tableAt(section, 'build_info', `datasets.${dataset}`), 'annotations', where);
  const items: DownloadItem[] = [];
  for (const split of Object.keys(annotations)) {
    if (USUAL_SPLITS.includes(split) && !splits.includes(split)) continue;
    const at = `${where}.annotations.${split}`;
    const info = tableAt(annotations, split, `${where}.annotations`);
    const [storage, urls, md5] = ['storage', 'url', 'md5'].map((key) => strings(info[key], `${at}.${key}`));
    if (urls.length !== storage.length) continue;
    for (const [i, path] of storage.entries()) {
      // A path of somebody's machine is no address.
      if (!/^https?:/.test(urls[i])) continue;
      items.push({
        what: `the ${split} annotations`,
        url: urls[i],
        md5: md5[i],
        path: cachePath(path),
        option: `--options ${at}.storage=FILE`,
      });
    }
  }
  return items;
}

/** The archives of `images.url`, or else those of the source, while the images lie in the cache. */
export function imageItems(
  section: DatasetSection,
  dataset: string,
  splits: readonly Split[],
  source?: ImageSource,
): DownloadItem[] {
  const where = `datasets.${dataset}.build_info`;
  const info = tableAt(section, 'build_info', `datasets.${dataset}`);
  const images = tableAt(info, String(section.data_type ?? 'images'), where);
  const [storage] = strings(images.storage, `${where}.images.storage`);
  if (storage === undefined) return [];
  const folder = cachePath(storage).replace(/\/+$/, '');
  const option = `--options ${where}.images.storage=FOLDER`;
  const urls = strings(images.url, `${where}.images.url`);
  const md5 = strings(images.md5, `${where}.images.md5`);
  if (urls.length > 0) {
    return urls.map((url, i) => givenItem(dataset, { url, md5: md5[i] }, folder, urls.length === 1, option));
  }
  // Images somewhere of the user's own are the user's own.
  if (isAbsolute(storage)) return [];
  return (source?.archives?.(splits) ?? []).map((archive) => sourceItem(archive, folder, option));
}

/** One archive becomes the folder of the images itself, several a folder each inside it. */
function givenItem(
  dataset: string,
  { url, md5 }: Pick<ImageArchive, 'url' | 'md5'>,
  folder: string,
  alone: boolean,
  option: string,
): DownloadItem {
  const file = basename(new URL(url).pathname);
  const stem = file.replace(/\.(zip|tar|tar\.gz|tgz)$/, '');
  const target = alone ? folder : join(folder, stem);
  return {
    what: `the images of ${dataset}`,
    url,
    md5,
    path: `${target}.${file.slice(stem.length + 1) || 'archive'}`,
    option,
    unpack: {
      folder: target,
      // The usual folder inside, named as the archive, would only be in the way.
      pick: (member) => (member.startsWith(`${stem}/`) ? member.slice(stem.length + 1) || undefined : member),
      present: () => existsSync(target),
    },
  };
}

function sourceItem({ url, md5, folder: name }: ImageArchive, folder: string, option: string): DownloadItem {
  const target = join(folder, name);
  return {
    what: `the images of ${name}`,
    url,
    md5,
    path: join(folder, basename(new URL(url).pathname)),
    option,
    unpack: {
      folder: target,
      pick: (member) => (member.startsWith(`${name}/`) ? member.slice(name.length + 1) : undefined),
      present: () => existsSync(target),
    },
  };
}
