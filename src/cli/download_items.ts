import { existsSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type HasDefaults, isPlainObject, type PlainObject, parseYaml, toPlain } from '../common/config.js';
import { weightsCachePath } from '../common/download.js';
import { ConfigError } from '../common/errors.js';
import { cachePath, resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { didYouMean } from '../common/suggest.js';
import { coreNlpArchive, metricFiles } from '../metrics/index.js';
import { vocabularyItem } from '../models/index.js';

/** One file to fetch. */
export interface DownloadItem {
  what: string;
  url: string;
  path: string;
  md5?: string;
  sha256?: string;
  /** The option that points elsewhere. */
  option: string;
  /** An archive: unpacked, and then removed. */
  unpack?: {
    folder: string;
    pick: (name: string) => string | undefined;
    /** Called with the folder when it is whole. */
    done?: (folder: string) => Promise<void>;
    /** Whether what was in it is where it belongs. */
    present: () => boolean;
  };
}

export const isPresent = (item: DownloadItem) => item.unpack?.present() ?? existsSync(item.path);

const IMAGES = 'http://images.cocodataset.org/zips';
const IMAGE_ARCHIVES: Record<string, string | undefined> = {
  train2014: '0da8c0bd3d6becc4dcb32757491aca88',
  val2014: 'a3d79f5ed8d289b7a7554ce06a5782b3',
  test2014: '04127eef689ceac55e3a572c2c92f264',
  test2015: undefined,
};
/** Karpathy's train split takes in most of val2014; his val and test are the rest of it. */
const ARCHIVES_OF: Record<string, readonly string[]> = {
  train: ['train2014', 'val2014'],
  val: ['val2014'],
  test: ['val2014'],
  test2014: ['test2014'],
  test2015: ['test2015'],
};
export const COCO_SPLITS = Object.keys(ARCHIVES_OF);

/**
 * What a name stands for.
 * @throws ConfigError for an unknown name, with the nearest ones.
 */
export function itemsOf(name: string, splits: readonly string[]): DownloadItem[] {
  if (name === 'coco') return cocoItems(splits);
  if (name === 'bert-base-uncased') return [vocabularyItem()];
  if (name === 'metrics') return metricItems();
  const [arch, type] = name.split('/');
  if (registry.has('model', arch)) return modelItems(arch, type);
  const names = ['coco', 'bert-base-uncased', 'metrics', ...modelNames()];
  throw new ConfigError(`nothing to download is named '${name}'`, {
    found: didYouMean(name, names) || undefined,
    allowed: names.join(', '),
  });
}

function modelNames(): string[] {
  return registry.listModels().flatMap((arch) => typesOf(arch).map((type) => `${arch}/${type}`));
}

/** Annotations and images of COCO captions, as the configuration of `coco_caption` names them. */
export function cocoItems(splits: readonly string[]): DownloadItem[] {
  const { defaultConfigs } = registry.getBuilderClass('coco_caption') as HasDefaults;
  const section = readYaml(Object.values(defaultConfigs ?? {})[0]);
  const info = tableAt(section, 'datasets', 'coco_caption', 'build_info');
  const annotations = splits
    .filter((split) => isPlainObject(tableAt(info, 'annotations')[split]))
    .map((split) => annotationItem(split, tableAt(info, 'annotations', split)));
  const images = String(tableAt(info, 'images').storage ?? 'coco/images/');
  const archives = [...new Set(splits.flatMap((split) => ARCHIVES_OF[split] ?? []))];
  return [...annotations, ...archives.map((name) => imageItem(name, cachePath(images)))];
}

function annotationItem(split: string, { url, md5, storage }: PlainObject): DownloadItem {
  return {
    what: `the ${split} annotations`,
    url: String(url),
    md5: typeof md5 === 'string' ? md5 : undefined,
    path: cachePath(String(storage)),
    option: `--options datasets.coco_caption.build_info.annotations.${split}.storage=FILE`,
  };
}

function imageItem(name: string, folder: string): DownloadItem {
  const unpacked = join(folder, name);
  return {
    what: `the images of ${name}`,
    url: `${IMAGES}/${name}.zip`,
    md5: IMAGE_ARCHIVES[name],
    path: join(folder, `${name}.zip`),
    option: '--options datasets.coco_caption.build_info.images.storage=FOLDER',
    unpack: {
      folder: unpacked,
      pick: (member) => (member.startsWith(`${name}/`) ? member.slice(name.length + 1) : undefined),
      present: () => existsSync(unpacked),
    },
  };
}

/** The weights that a model's default configuration names, and its vocabulary. */
function modelItems(arch: string, type: string | undefined): DownloadItem[] {
  const chosen = type ?? typesOf(arch)[0];
  const { defaultConfigs = {} } = registry.getModelClass(arch) as HasDefaults;
  if (!defaultConfigs[chosen]) {
    throw new ConfigError(`${arch} has no type '${chosen}'`, {
      found: didYouMean(chosen, typesOf(arch)) || undefined,
      allowed: typesOf(arch).join(', '),
    });
  }
  const section = tableAt(readYaml(defaultConfigs[chosen]), 'model');
  const items: DownloadItem[] = [];
  for (const key of ['finetuned', 'pretrained']) {
    const url = section[key];
    if (typeof url !== 'string' || !/^https?:/.test(url) || items.some((item) => item.url === url)) continue;
    items.push({
      what: `the ${key} weights of ${arch}/${chosen}`,
      url,
      path: weightsCachePath(url),
      option: `--options model.${key}=FILE`,
    });
  }
  if ((section.tokenizer ?? 'bert-base-uncased') === 'bert-base-uncased') items.push(vocabularyItem());
  return items;
}

/** METEOR, SPICE and the parser that SPICE needs, all for Java. */
function metricItems(): DownloadItem[] {
  const files = metricFiles.map(({ path, url }) => ({
    what: basename(path),
    url,
    path: cachePath(path),
    option: 'none: METEOR and SPICE are skipped without it',
  }));
  const { url, entries } = coreNlpArchive;
  const folder = cachePath('metrics/corenlp');
  const archive: DownloadItem = {
    what: 'the parser of SPICE',
    url,
    path: `${folder}.zip`,
    option: 'none: SPICE is skipped without it',
    unpack: {
      folder,
      pick: (member) => entries.find(({ entry }) => entry === member) && basename(member),
      done: async (unpacked) => {
        for (const { path } of entries) await rename(join(unpacked, basename(path)), cachePath(path));
      },
      present: () => entries.every(({ path }) => existsSync(cachePath(path))),
    },
  };
  return [...files, archive];
}

function typesOf(arch: string): string[] {
  return Object.keys((registry.getModelClass(arch) as HasDefaults).defaultConfigs ?? {});
}

function readYaml(file: string | undefined): PlainObject {
  if (!file) throw new ConfigError('there is no default configuration');
  const path = resolveFile(file);
  const value = toPlain(parseYaml(readFileSync(path, 'utf8'), { kind: 'default', file: path }));
  return isPlainObject(value) ? value : {};
}

function tableAt(table: PlainObject, ...keys: string[]): PlainObject {
  let at = table;
  for (const key of keys) {
    const inner = at[key];
    at = isPlainObject(inner) ? inner : {};
  }
  return at;
}

/** Where most of an item ends up; for messages. */
export const placeOf = (item: DownloadItem) => item.unpack?.folder ?? item.path;
