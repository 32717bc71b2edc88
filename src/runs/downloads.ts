import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError } from '../common/errors.js';
import { cachePath } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { didYouMean } from '../common/suggest.js';
import { type Config, isPlainObject } from '../config/index.js';
import { DOWNLOAD_SPLITS, datasetDownloads } from '../datasets/index.js';
import type { DownloadItem } from '../fetch/index.js';
import { coreNlpArchive, metricFiles } from '../metrics/index.js';
import { modelDownloads, modelZoo, vocabularyItem, zooDownloads } from '../models/index.js';
import { usedSplits } from '../tasks/index.js';

/**
 * What is fetched for names and for a run.
 * @param splits of datasets; by default those that the run reads, and train, val and test of a dataset's name
 * @throws ConfigError for an unknown name or split, with the nearest ones
 */
export function downloadsOf({
  names,
  config,
  splits,
}: {
  names: readonly string[];
  config?: Config;
  splits?: readonly string[];
}): DownloadItem[] {
  for (const split of splits ?? []) {
    if (DOWNLOAD_SPLITS.includes(split)) continue;
    throw new ConfigError(`no split is named '${split}'`, {
      found: didYouMean(split, DOWNLOAD_SPLITS) || undefined,
      allowed: DOWNLOAD_SPLITS.join(', '),
    });
  }
  return [
    ...names.flatMap((name) => itemsOf(name, splits ?? ['train', 'val', 'test'])),
    ...(config ? itemsOfRun(config, splits) : []),
  ];
}

/**
 * What a name stands for: a dataset, weights, the vocabulary, the archives of METEOR and SPICE.
 * @param splits of a dataset, those wanted.
 * @throws ConfigError for an unknown name, with the nearest ones.
 */
export function itemsOf(name: string, splits: readonly string[]): DownloadItem[] {
  if (name === 'bert-base-uncased') return [vocabularyItem()];
  if (name === 'metrics') return metricItems();
  const [arch, type] = name.split('/');
  if (registry.has('model', arch)) return zooDownloads(arch, type);
  const shortNames = new Map(
    registry.listDatasets().map((known) => [registry.getBuilderClass(known).shortName ?? known, known]),
  );
  const dataset = shortNames.get(name) ?? name;
  if (registry.has('builder', dataset)) return datasetDownloads(dataset, splits);
  const models = Object.entries(modelZoo()).flatMap(([known, types]) =>
    types.map((each) => `${known}/${each}`),
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
function itemsOfRun(
  config: Config,
  splits: readonly string[] = usedSplits(config, { training: config.run.evaluate !== true }),
): DownloadItem[] {
  const items = modelDownloads(config.model, String(config.model.arch));
  for (const [name, section] of Object.entries(config.datasets)) {
    if (isPlainObject(section))
      items.push(...(registry.getBuilderClass(name).fromConfig(section).downloads?.(splits) ?? []));
  }
  // Several datasets may show the same images.
  return [...new Map(items.map((item) => [item.path, item])).values()];
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
