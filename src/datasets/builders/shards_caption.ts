import { existsSync } from 'node:fs';
import { ConfigError, DataError } from '../../common/errors.js';
import { cachePath } from '../../common/paths.js';
import { registry } from '../../common/registry.js';
import { shardPaths } from '../datasets/shards/paths.js';
import { ShardDataset, ShardReader } from '../datasets/shards/shard_dataset.js';
import type { SampleReader, Split } from '../types.js';
import { type DatasetSection, strings, tableAt } from './build_info.js';
import type { DatasetBuilder, Splits } from './builder.js';
import { processorsOf } from './processors.js';

/** Training pairs in webdataset shards: tar archives of `name.jpg` with `name.txt` or `name.json`. */
@registry.registerBuilder('shards_caption')
export class ShardsCaptionBuilder implements DatasetBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shards/defaults_cap.yaml' };
  readonly name = 'shards_caption';

  constructor(readonly section: DatasetSection) {}

  static fromConfig(section: DatasetSection): ShardsCaptionBuilder {
    return new ShardsCaptionBuilder(section);
  }

  async buildDatasets(splits?: readonly Split[]): Promise<Splits> {
    if (splits && !splits.includes('train')) return {};
    const where = `datasets.${this.name}.build_info`;
    const info = tableAt(this.section, 'build_info', `datasets.${this.name}`);
    const shards = this.#shards(strings(info.storage, `${where}.storage`));
    const train = new ShardDataset({
      name: `${this.name} train`,
      shards,
      reader: this.reader('train'),
      readerSpec: { builder: this.name, section: this.section, split: 'train' },
      samples: count(info.samples, `${where}.samples`),
      shuffleBuffer: count(info.shuffle_buffer, `${where}.shuffle_buffer`),
    });
    return { train };
  }

  reader(split: Split): SampleReader {
    const { image, text } = processorsOf(this.section, this.name, split);
    return new ShardReader(image, text);
  }

  #shards(patterns: string[]): string[] {
    const option = `--options datasets.${this.name}.build_info.storage='/path/to/{00000..00099}.tar'`;
    const shards = patterns.flatMap((pattern) => shardPaths(cachePath(pattern)));
    const missing = shards.filter((path) => !existsSync(path));
    if (shards.length > 0 && missing.length === 0) return shards;
    throw new DataError(`the shards of ${this.name} are not there`, {
      where: missing.slice(0, 5).join('\n') || patterns.join('\n') || 'build_info.storage',
      found: shards.length ? `${missing.length} of ${shards.length} are missing` : 'no file matches',
      help: option,
    });
  }
}

function count(value: unknown, where: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw new ConfigError(`${where} is not a whole number from 1`, { where, found: JSON.stringify(value) });
}
