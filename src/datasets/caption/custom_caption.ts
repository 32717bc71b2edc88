import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { z } from 'zod';
import { ConfigError, DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { expandHome } from '../../common/paths.js';
import { registry } from '../../common/registry.js';
import { key, readSection, types } from '../../config/index.js';
import type { Prepared } from '../annotated/annotation_builder.js';
import { strings, tableAt } from '../annotated/build_info.js';
import { datasetSchema } from '../annotated/schema.js';
import type { CaptionedImage } from '../own/assign_splits.js';
import type { TableKeys } from '../own/columns.js';
import { locateImages } from '../own/locate_images.js';
import { OwnCaptionBuilder } from '../own/own_builder.js';
import { type CaptionTables, readCaptionTables } from '../own/own_table.js';
import type { Split } from '../types.js';
import { readSidecars } from './sidecars.js';

const ownKeys = {
  image_key: key(types.text, undefined, 'The column of the image; the usual names are found.'),
  caption_key: key(
    types.text,
    undefined,
    'The column of the caption, or captions; the usual names are found.',
  ),
  split_key: key(types.text, undefined, 'The column that names the split of an image, where there is one.'),
  splits: key(z.record(z.string(), types.size), {}, 'The share of images for each split.'),
  seed: key(types.count, 42, 'Another seed divides the images otherwise.'),
};
const ownSchema = z.strictObject(ownKeys);

/**
 * One's own images with captions in a table, in JSON or JSONL, or in a folder (as folder_caption has them).
 * `annotations.all` is divided into splits by a column of the file or by ratio and seed; `annotations.train`
 * and so on are taken as they are.
 */
@registry.registerBuilder('custom_caption')
export class CustomCaptionBuilder extends OwnCaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_cap.yaml' };
  static override readonly configSchema = datasetSchema(ownKeys);
  readonly name = 'custom_caption';

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const { image_key, caption_key, split_key } = this.#own;
    const keys = { image: image_key, caption: caption_key, split: split_key };
    const bySplit = new Map<Split, CaptionedImage[]>();
    for (const [split, files] of this.#files()) {
      if (split !== 'all' && splits && !splits.includes(split)) continue;
      for (const file of files) if (!existsSync(file.path)) throw this.#absent(split, file);
      const paths = files.map(({ path }) => path);
      const { images, notes } = await this.#read(paths, keys);
      if (images.length === 0)
        throw new DataError(`no captions for ${this.name}`, { where: paths.join('\n') });
      for (const note of [...notes, ...locateImages(images, this.folder)]) log.info(`${this.name}: ${note}`);
      if (split !== 'all') bySplit.set(split, images);
      else for (const [part, share] of this.divide(images, this.#own, splits)) bySplit.set(part, share);
    }
    return this.annotate(bySplit, splits);
  }

  /** Captions of files; or of one folder, which has them beside its images. */
  async #read(paths: readonly string[], keys: TableKeys): Promise<CaptionTables> {
    if (paths.length !== 1 || !statSync(paths[0]).isDirectory()) return readCaptionTables(paths, keys);
    const tables = await readSidecars(paths[0]);
    for (const one of tables.images) one.image = relative(this.folder, join(paths[0], one.image));
    return tables;
  }

  #absent(split: Split, { given, path }: CaptionFile): DataError {
    const from = isAbsolute(expandHome(given)) ? '' : `: '${given}' is looked for in ${this.base}`;
    return new DataError(`a caption file of ${this.name} is not there`, {
      where: path,
      found: `no such file${from}`,
      help: `--options datasets.${this.name}.build_info.annotations.${split}.storage=FILE`,
    });
  }

  #files(): Map<Split, CaptionFile[]> {
    const where = `datasets.${this.name}.build_info.annotations`;
    const table = tableAt(this.info, 'annotations', `datasets.${this.name}.build_info`);
    const files = new Map<Split, CaptionFile[]>();
    for (const split of Object.keys(table)) {
      const storage = strings(tableAt(table, split, where).storage, `${where}.${split}.storage`);
      const located = storage.map((given) => ({ given, path: this.locate(given) }));
      if (located.length > 0) files.set(split, located);
    }
    if (files.size > 0) return files;
    throw new ConfigError(`${this.name} needs a file with captions`, {
      where,
      allowed: 'a .csv, .tsv, .json or .jsonl file with images and captions',
      help: `--options ${where}.all.storage=captions.csv`,
    });
  }

  /** The keys that only this dataset has, with their defaults. */
  get #own() {
    const given = Object.keys(ownKeys).map((name) => [name, this.info[name]]);
    return readSection(`datasets.${this.name}.build_info`, ownSchema, Object.fromEntries(given));
  }
}

/** A caption file as the configuration has it, and where it lies. */
interface CaptionFile {
  given: string;
  path: string;
}
