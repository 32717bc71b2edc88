import { readFile } from 'node:fs/promises';
import { ConfigError } from '../common/errors.js';
import { resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { didYouMean } from '../common/suggest.js';
import { type PlainObject, parseYaml, toPlain } from '../config/index.js';
import { type DatasetSection, tableAt } from './annotated/build_info.js';
import type { Splits } from './builder.js';
import type { Split } from './types.js';
import './builders.js';

export interface LoadDatasetOptions {
  /** Which of the default configurations; 'default'. */
  type?: string;
  /** A configuration in place of the default: a YAML file with `datasets.<name>`. */
  cfgPath?: string;
  /** Where the images are, in place of the configuration's folder. */
  visPath?: string;
  /** Splits to build; all when absent. */
  splits?: readonly Split[];
}

/**
 * The splits of a dataset, from its default configuration or another. Images come as they are unless the
 * configuration names processors.
 * @throws ConfigError for an unknown name or type, DataError when files are missing.
 */
export async function loadDataset(name: string, options: LoadDatasetOptions = {}): Promise<Splits> {
  const Builder = registry.getBuilderClass(name);
  const { type = 'default', visPath, splits } = options;
  const types = Object.keys(Builder.defaultConfigs);
  if (!options.cfgPath && !types.includes(type)) {
    throw new ConfigError(`no type of the dataset ${name} is named '${type}'`, {
      found: [`'${type}'`, didYouMean(type, types)].filter(Boolean).join('; '),
      allowed: types.join(', '),
    });
  }
  const section = await readSection(name, options.cfgPath ?? Builder.defaultConfigs[type]);
  return Builder.fromConfig(visPath ? withImages(section, name, visPath) : section).buildDatasets(splits);
}

async function readSection(name: string, path: string): Promise<DatasetSection> {
  const file = resolveFile(path);
  const root = toPlain(parseYaml(await readFile(file, 'utf8'), { kind: 'file', file: path })) as PlainObject;
  return tableAt(tableAt(root ?? {}, 'datasets', file), name, 'datasets');
}

function withImages(section: DatasetSection, name: string, storage: string): DatasetSection {
  const dataType = String(section.data_type ?? 'images');
  const info = tableAt(section, 'build_info', `datasets.${name}`);
  return { ...section, build_info: { ...info, [dataType]: { storage } } };
}

/** The names of all datasets with the types of each. */
export function datasetZoo(): Record<string, string[]> {
  const names = registry.listDatasets();
  return Object.fromEntries(
    names.map((name) => [name, Object.keys(registry.getBuilderClass(name).defaultConfigs)]),
  );
}
