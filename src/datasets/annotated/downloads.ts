import { existsSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { cachePath } from '../../common/paths.js';
import type { DownloadItem } from '../../fetch/index.js';
import type { Split } from '../types.js';
import { annotationFiles, type DatasetSection, imageFolder } from './build_info.js';

/** An archive of images, and the folder that it becomes inside the folder of the images. */
export interface ImageArchive {
  url: string;
  md5?: string;
  /** Its name inside the archive as well: what lies elsewhere in it is not taken. */
  folder: string;
}

/** Where the images of a dataset, or of several, come from. */
export interface ImageSource {
  /** What to do when their folder is missing. */
  readonly help: string;
  /** Those that hold the images of some splits; without it, nobody hands them out. */
  archives?(splits: readonly Split[]): readonly ImageArchive[];
}

const USUAL_SPLITS: readonly Split[] = ['train', 'val', 'test'];

/** The annotation files of the wanted splits that have a url. Splits of unusual names come whole. */
export function annotationItems(
  section: DatasetSection,
  dataset: string,
  splits: readonly Split[],
): DownloadItem[] {
  const wanted = [...annotationFiles(section, dataset)].filter(
    ([split]) => !USUAL_SPLITS.includes(split) || splits.includes(split),
  );
  return wanted.flatMap(([split, files]) =>
    files.flatMap(({ url, md5, path, option }) =>
      // A path on somebody's machine is not a URL.
      url && /^https?:/.test(url)
        ? { what: `the ${split} annotations`, url, md5, path, option: `--options ${option}` }
        : [],
    ),
  );
}

/** The archives of `images.url`, or else those of the source, while the images lie in the cache. */
export function imageItems(
  section: DatasetSection,
  dataset: string,
  splits: readonly Split[],
  source?: ImageSource,
): DownloadItem[] {
  const { storage, urls, md5, option: elsewhere } = imageFolder(section, dataset);
  if (storage === undefined) return [];
  const folder = cachePath(storage).replace(/\/+$/, '');
  const option = `--options ${elsewhere}`;
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
