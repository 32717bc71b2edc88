import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../../common/errors.js';
import { countedRange, globMatcher } from '../../../common/glob.js';
import { cachePath } from '../../../common/paths.js';
import { registry } from '../../../common/registry.js';
import { key, readSection, types } from '../../../config/index.js';
import { annotatedSchema, type DatasetSection } from '../../annotated/build_info.js';
import { processorsOf } from '../../annotated/image_reader.js';
import type { DatasetBuilder, Splits } from '../../builder.js';
import type { SampleReader, Split } from '../../types.js';
import { ShardDataset, ShardReader } from './shard_dataset.js';

const buildInfoSchema = z.strictObject({
  storage: key(
    z.union([types.text, types.texts]),
    'shards/*.tar',
    'Tar archives: {a..b} counts, {a,b} lists, * matches; relative: under the cache root.',
  ),
  samples: key(
    types.natural,
    undefined,
    'Total number of samples; if absent, they are counted at the start.',
  ),
  shuffle_buffer: key(types.natural, 1000, 'Size of the shuffle buffer, in samples.'),
});

/** Training pairs in webdataset shards: tar archives of `name.jpg` with `name.txt` or `name.json`. */
@registry.registerBuilder('shards_caption')
export class ShardsCaptionBuilder implements DatasetBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shards/defaults_cap.yaml' };
  static readonly configSchema = annotatedSchema.extend({
    build_info: key(buildInfoSchema, undefined, 'The archives to read.'),
  });
  readonly name = 'shards_caption';

  constructor(readonly section: DatasetSection) {}

  static fromConfig(section: DatasetSection): ShardsCaptionBuilder {
    return new ShardsCaptionBuilder(section);
  }

  async buildDatasets(splits?: readonly Split[]): Promise<Splits> {
    if (splits && !splits.includes('train')) return {};
    const what = `datasets.${this.name}.build_info`;
    const { storage, samples, shuffle_buffer } = readSection(what, buildInfoSchema, this.section.build_info);
    const train = await ShardDataset.open({
      name: `${this.name} train`,
      shards: this.#shards([storage].flat()),
      reader: this.reader('train'),
      readerSpec: { builder: this.name, section: this.section, split: 'train' },
      samples,
      shuffleBuffer: shuffle_buffer,
    });
    return { train };
  }

  reader(split: Split): SampleReader {
    const { image, text } = processorsOf(this.section, this.name, split);
    return new ShardReader(image, text);
  }

  #shards(patterns: string[]): string[] {
    const option = `--options datasets.${this.name}.build_info.storage='/path/to/{00000..00099}.tar'`;
    const address = patterns.find((pattern) => /^([a-z0-9+]{2,}:\/\/|pipe:)/i.test(pattern));
    if (address) {
      throw new DataError('shards are read from files', {
        where: `datasets.${this.name}.build_info.storage`,
        found: address,
        help: `fetch them first, then ${option}`,
      });
    }
    const shards = patterns.flatMap((pattern) => shardPaths(cachePath(pattern)));
    const folder = shards.find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
    if (folder) {
      throw new DataError('a folder in place of a shard', {
        where: folder,
        help: `--options datasets.${this.name}.build_info.storage='${folder.replace(/\/+$/, '')}/*.tar'`,
      });
    }
    const missing = shards.filter((path) => !existsSync(path));
    if (shards.length > 0 && missing.length === 0) return shards;
    throw new DataError(`the shards of ${this.name} are not there`, {
      where: missing.slice(0, 5).join('\n') || patterns.join('\n') || 'build_info.storage',
      found: shards.length ? `${missing.length} of ${shards.length} are missing` : 'no file matches',
      help: option,
    });
  }
}

/**
 * The files that a pattern names: `{000..999}` counts with its leading zeros, `{a,b}` lists, and in the last part a
 * glob matches what is there, sorted. Braces name files whether they are there or not, so that a missing shard is
 * told: that is why they are not left to the glob.
 */
export function shardPaths(pattern: string): string[] {
  return expandBraces(pattern).flatMap(matching);
}

function expandBraces(pattern: string): string[] {
  const braces = /\{([^{}]*)\}/.exec(pattern);
  if (!braces) return [pattern];
  const [before, after] = [pattern.slice(0, braces.index), pattern.slice(braces.index + braces[0].length)];
  const range = /^(\d+)\.\.(\d+)$/.exec(braces[1]);
  const choices = (range && countedRange(range[1], range[2])) ?? braces[1].split(',');
  return choices.flatMap((choice) => expandBraces(before + choice + after));
}

function matching(path: string): string[] {
  if (!/[*?[]/.test(basename(path))) return [path];
  const folder = dirname(path);
  if (!existsSync(folder)) return [];
  // As in a shell, `*` does not match what is hidden, such as macOS's ._0000.tar.
  const matches = globMatcher(basename(path));
  const names = readdirSync(folder).filter((name) => matches(name));
  return names.sort().map((name) => join(folder, name));
}
