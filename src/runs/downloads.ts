import { existsSync, readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError } from '../common/errors.js';
import { cachePath, resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { didYouMean } from '../common/suggest.js';
import {
  type Config,
  type HasDefaults,
  isPlainObject,
  type PlainObject,
  parseYaml,
  toPlain,
} from '../config/index.js';
import type { DownloadItem } from '../fetch/index.js';
import { weightsCachePath } from '../fetch/index.js';
import { coreNlpArchive, metricFiles } from '../metrics/index.js';
import { vocabularyItem } from '../models/index.js';
import { usedSplits } from '../tasks/index.js';

/**
 * What a name stands for: a dataset, weights, the vocabulary, the archives of METEOR and SPICE.
 * @param splits of a dataset, those wanted.
 * @throws ConfigError for an unknown name, with the nearest ones.
 */
export function itemsOf(name: string, splits: readonly string[]): DownloadItem[] {
  if (name === 'bert-base-uncased') return [vocabularyItem()];
  if (name === 'metrics') return metricItems();
  const [arch, type] = name.split('/');
  if (registry.has('model', arch)) return modelItems(arch, type);
  const shortNames = new Map(
    registry.listDatasets().map((known) => [registry.getBuilderClass(known).shortName ?? known, known]),
  );
  const dataset = shortNames.get(name) ?? name;
  if (registry.has('builder', dataset)) {
    const file = Object.values(defaultsOf('builder', dataset))[0];
    return datasetItems(dataset, tableAt(readYaml(file), 'datasets', dataset), splits);
  }
  const models = registry
    .listModels()
    .flatMap((known) =>
      Object.keys(defaultsOf('model', known)).map((known_type) => `${known}/${known_type}`),
    );
  const datasets = new Set([...shortNames.keys(), ...registry.listDatasets()]);
  const names = [...datasets, 'bert-base-uncased', 'metrics', ...models];
  throw new ConfigError(`nothing to download is named '${name}'`, {
    found: didYouMean(name, names) || undefined,
    allowed: names.join(', '),
  });
}

/**
 * All that a run's configuration names: weights, vocabulary, annotations, images.
 * @param splits those that the run reads where left out.
 */
export function itemsOfRun(
  config: Config,
  splits: readonly string[] = usedSplits(config, { training: config.run.evaluate !== true }),
): DownloadItem[] {
  const { model } = config;
  const chosen = model.load_finetuned ? ['finetuned'] : model.load_pretrained === false ? [] : ['pretrained'];
  const items = weightItems(model, chosen, String(model.arch));
  for (const [name, section] of Object.entries(config.datasets)) {
    if (isPlainObject(section)) items.push(...datasetItems(name, section, splits));
  }
  // Several datasets may show the same images.
  return [...new Map(items.map((item) => [item.path, item])).values()];
}

const datasetItems = (name: string, section: PlainObject, splits: readonly string[]): DownloadItem[] =>
  registry.getBuilderClass(name).fromConfig(section).downloads?.(splits) ?? [];

/** The weights that a model's default configuration names, and its vocabulary. */
function modelItems(arch: string, type: string | undefined): DownloadItem[] {
  const files = defaultsOf('model', arch);
  const chosen = type ?? Object.keys(files)[0];
  if (!Object.hasOwn(files, chosen)) {
    throw new ConfigError(`${arch} has no type '${chosen}'`, {
      found: didYouMean(chosen, Object.keys(files)) || undefined,
      allowed: Object.keys(files).join(', '),
    });
  }
  const section = tableAt(readYaml(files[chosen]), 'model');
  return weightItems(section, ['finetuned', 'pretrained'], `${arch}/${chosen}`);
}

function weightItems(model: PlainObject, keys: readonly string[], name: string): DownloadItem[] {
  const items: DownloadItem[] = [];
  for (const key of keys) {
    const url = model[key];
    if (typeof url !== 'string' || !/^https?:/.test(url) || items.some((item) => item.url === url)) continue;
    const option = `--options model.${key}=FILE`;
    items.push({ what: `the ${key} weights of ${name}`, url, path: weightsCachePath(url), option });
  }
  if ((model.tokenizer ?? 'bert-base-uncased') === 'bert-base-uncased') items.push(vocabularyItem());
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
      pick: (member) => (entries.some(({ entry }) => entry === member) ? basename(member) : undefined),
      done: async (unpacked) => {
        for (const { path } of entries) await rename(join(unpacked, basename(path)), cachePath(path));
      },
      present: () => entries.every(({ path }) => existsSync(cachePath(path))),
    },
  };
  return [...files, archive];
}

/** The default files of a registered class, by type. */
function defaultsOf(kind: 'model' | 'builder', name: string): Readonly<Record<string, string>> {
  return (registry.get(kind, name) as HasDefaults).defaultConfigs ?? {};
}

function readYaml(file: string | undefined): PlainObject {
  if (!file) return {};
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
