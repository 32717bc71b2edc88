import type { DownloadItem } from '../fetch/index.js';
import type { DatasetSection } from './annotated/build_info.js';
import type { Dataset, IterableDataset, SampleReader, Split } from './types.js';

/** The datasets of one name, by split. */
export type Splits = Partial<Record<Split, Dataset | IterableDataset>>;

/** Makes a dataset's splits from its section of the configuration. */
export interface DatasetBuilder {
  /** The name it is registered under. */
  readonly name: string;
  /** @param splits those that the run uses; all when absent. @throws DataError when files are missing. */
  buildDatasets(splits?: readonly Split[]): Promise<Splits>;
  /** What reads this split's images; called again in each worker. */
  reader(split: Split): SampleReader;
  /** What of some splits `lavis download` fetches; a dataset without it has nothing on the net. */
  downloads?(splits: readonly Split[]): DownloadItem[];
}

/** What the registry holds. */
export interface BuilderClass {
  /** Configuration type -> default file, relative to the package; 'default' is taken when none is named. */
  readonly defaultConfigs: Readonly<Record<string, string>>;
  /** What `lavis download` calls it as well: 'coco'. */
  readonly shortName?: string;
  /** @param section the merged `datasets.<name>`. */
  fromConfig(section: DatasetSection): DatasetBuilder;
}

declare module '../common/registry.js' {
  interface RegistryKinds {
    builder: BuilderClass;
  }
}
