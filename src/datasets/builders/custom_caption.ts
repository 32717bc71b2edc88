import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError, DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { cachePath, cacheRoot, expandHome } from '../../common/paths.js';
import { registry } from '../../common/registry.js';
import { datasetSchema, key, readSection, types } from '../../config/index.js';
import type { Annotation } from '../datasets/annotations.js';
import { CaptionDataset, CustomEvalDataset } from '../datasets/caption_dataset.js';
import { divideImages } from '../datasets/custom/assign_splits.js';
import { type CaptionedImage, readCaptionTables } from '../datasets/custom/caption_table.js';
import { locateImages } from '../datasets/custom/locate_images.js';
import { imageId } from '../datasets/image_id.js';
import type { Split } from '../types.js';
import { strings, tableAt } from './build_info.js';
import { CaptionBuilder, type Prepared } from './caption_builder.js';

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
 * One's own images with captions in CSV, TSV, JSON or JSONL. `annotations.all` is divided into splits by
 * a column of the file or by ratio and seed; `annotations.train` and so on are taken as they are.
 */
@registry.registerBuilder('custom_caption')
export class CustomCaptionBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_cap.yaml' };
  static override readonly configSchema = datasetSchema(ownKeys);
  readonly name = 'custom_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CustomEvalDataset;

  /** A relative path is tried in the working directory first, then under the cache root; without either, it is missed in the first. */
  protected override locate(path: string): string {
    const expanded = expandHome(path);
    const here = resolve(expanded);
    const cached = cachePath(path);
    return isAbsolute(expanded) || existsSync(here) || !existsSync(cached) ? here : cached;
  }

  protected override get base(): string {
    return `the working directory, then in ${cacheRoot()}`;
  }

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const { image_key, caption_key, split_key } = this.#own;
    const keys = { image: image_key, caption: caption_key, split: split_key };
    const bySplit = new Map<Split, CaptionedImage[]>();
    for (const [split, files] of this.#files()) {
      if (split !== 'all' && splits && !splits.includes(split)) continue;
      for (const file of files) if (!existsSync(file.path)) throw this.#absent(split, file);
      const paths = files.map(({ path }) => path);
      const { images, notes } = await readCaptionTables(paths, keys);
      if (images.length === 0)
        throw new DataError(`no captions for ${this.name}`, { where: paths.join('\n') });
      for (const note of [...notes, ...locateImages(images, this.folder)]) log.info(`${this.name}: ${note}`);
      if (split !== 'all') bySplit.set(split, images);
      else for (const [part, share] of this.#divide(images, splits)) bySplit.set(part, share);
    }
    warnShared(this.name, bySplit);
    const wanted = [...bySplit].filter(([split]) => !splits || splits.includes(split));
    const annotations = new Map<Split, Annotation[]>();
    for (const [split, images] of wanted) {
      const idOf = idsOf(images);
      const entriesOf = split === 'train' ? trainEntries : evalEntries;
      annotations.set(
        split,
        images.flatMap((image) => entriesOf(image, idOf(image))),
      );
    }
    return { annotations, missing: [] };
  }

  #absent(split: Split, { given, path }: CaptionFile): DataError {
    const from = isAbsolute(expandHome(given)) ? '' : `: '${given}' is looked for in ${this.base}`;
    return new DataError(`a caption file of ${this.name} is not there`, {
      where: path,
      found: `no such file${from}`,
      help: `--options datasets.${this.name}.build_info.annotations.${split}.storage=FILE`,
    });
  }

  get #info() {
    return tableAt(this.section, 'build_info', `datasets.${this.name}`);
  }

  #files(): Map<Split, CaptionFile[]> {
    const where = `datasets.${this.name}.build_info.annotations`;
    const table = tableAt(this.#info, 'annotations', `datasets.${this.name}.build_info`);
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
    const given = Object.keys(ownKeys).map((name) => [name, this.#info[name]]);
    return readSection(`datasets.${this.name}.build_info`, ownSchema, Object.fromEntries(given));
  }

  #divide(images: CaptionedImage[], used?: readonly Split[]): Map<Split, CaptionedImage[]> {
    const { splits, seed } = this.#own;
    const { parts, notes, leftOut } = divideImages(images, splits, seed, used);
    for (const note of notes) log.info(`${this.name}: ${note}`);
    for (const note of leftOut) log.warn(`${this.name}: ${note}`);
    return parts;
  }
}

/** A caption file as the configuration has it, and where it lies. */
interface CaptionFile {
  given: string;
  path: string;
}

/** Files of their own may mean it so: an image that is trained on and scored is told, not refused. */
function warnShared(name: string, bySplit: ReadonlyMap<Split, readonly CaptionedImage[]>): void {
  const trained = new Set(bySplit.get('train')?.map(({ image }) => image));
  for (const [split, images] of bySplit) {
    if (split === 'train') continue;
    const both = images.filter(({ image }) => trained.has(image));
    if (both.length === 0) continue;
    log.warn(`${name}: ${both.length} images of ${split} are trained on, ${both[0].image} for one`);
  }
}

/** The number in the file's name where every image has its own, else the path itself. */
function idsOf(images: CaptionedImage[]): (image: CaptionedImage) => number | string {
  const ids = new Set(images.map(({ image }) => imageId(image)));
  const distinct = new Set(images.map(({ image }) => image)).size;
  return ids.size === distinct ? ({ image }) => imageId(image) : ({ image }) => image;
}

const evalEntries = ({ captions, ...one }: CaptionedImage, id: number | string): Annotation[] => [
  annotation(one, captions, id),
];

const trainEntries = ({ captions, ...one }: CaptionedImage, id: number | string): Annotation[] =>
  captions.map((caption) => annotation(one, caption, id));

const annotation = (
  { image, file, index, line }: Omit<CaptionedImage, 'captions'>,
  caption: string | string[],
  image_id: number | string,
): Annotation => ({ values: { image, caption, image_id }, file, index, line });
