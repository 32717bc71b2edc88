import { z } from 'zod';
import { registry } from '../common/registry.js';
import { defaultFileOf, readSection, readTree, readYamlFile } from '../config/index.js';
import type { DownloadItem } from '../fetch/index.js';
import { type DatasetSection, dataTypeOf } from './annotated/build_info.js';
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
  const section = sectionOf(name, options.cfgPath ?? defaultFileOf('builder', name, type));
  return Builder.fromConfig(visPath ? withImages(section, name, visPath) : section).buildDatasets(splits);
}

/** A dataset's section in a YAML file. @throws ConfigError */
const sectionOf = (name: string, file: string): DatasetSection =>
  readTree(readYamlFile(file), `datasets.${name}`, z.looseObject({}));

function withImages(section: DatasetSection, name: string, storage: string): DatasetSection {
  const info = readSection(`datasets.${name}.build_info`, z.looseObject({}), section.build_info);
  return { ...section, build_info: { ...info, [dataTypeOf(section)]: { storage } } };
}

/** What a dataset's default configuration fetches. @param splits those wanted */
export function datasetDownloads(name: string, splits: readonly Split[]): DownloadItem[] {
  const section = sectionOf(name, defaultFileOf('builder', name));
  return registry.getBuilderClass(name).fromConfig(section).downloads?.(splits) ?? [];
}

/** The names of all datasets with the types of each. */
export function datasetZoo(): Record<string, string[]> {
  const names = registry.listDatasets();
  return Object.fromEntries(
    names.map((name) => [name, Object.keys(registry.getBuilderClass(name).defaultConfigs)]),
  );
}
