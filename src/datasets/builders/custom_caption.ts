import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError, DataError } from '../../common/errors.js';
import { cachePath, cacheRoot, expandHome } from '../../common/paths.js';
import { registry } from '../../common/registry.js';
import { datasetSchema, key, readSection, types } from '../../config/index.js';
import type { Annotation } from '../datasets/annotations.js';
import { CaptionDataset, CustomEvalDataset } from '../datasets/caption_dataset.js';
import { assignSplits } from '../datasets/custom/assign_splits.js';
import { type CaptionedImage, readCaptionTables } from '../datasets/custom/caption_table.js';
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

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const { image_key, caption_key, split_key } = this.#own;
    const keys = { image: image_key, caption: caption_key, split: split_key };
    const bySplit = new Map<Split, CaptionedImage[]>();
    for (const [split, files] of this.#files()) {
      if (split !== 'all' && splits && !splits.includes(split)) continue;
      const absent = files.find((file) => !existsSync(file));
      if (absent) {
        throw new DataError(`a caption file of ${this.name} is not there`, {
          where: absent,
          found: `no such file, and none of this name under ${cacheRoot()}`,
          help: `--options datasets.${this.name}.build_info.annotations.${split}.storage=FILE`,
        });
      }
      const images = await readCaptionTables(files, keys);
      if (images.length === 0)
        throw new DataError(`no captions for ${this.name}`, { where: files.join('\n') });
      if (split !== 'all') bySplit.set(split, images);
      else for (const [part, share] of this.#divide(images)) bySplit.set(part, share);
    }
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

  get #info() {
    return tableAt(this.section, 'build_info', `datasets.${this.name}`);
  }

  #files(): Map<Split, string[]> {
    const where = `datasets.${this.name}.build_info.annotations`;
    const table = tableAt(this.#info, 'annotations', `datasets.${this.name}.build_info`);
    const files = new Map<Split, string[]>();
    for (const split of Object.keys(table)) {
      const storage = strings(tableAt(table, split, where).storage, `${where}.${split}.storage`);
      const located = storage.map((path) => this.locate(path));
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

  /** By the file's own column where it has one, else by ratio and seed. */
  #divide(images: CaptionedImage[]): Map<Split, CaptionedImage[]> {
    const { splits, seed } = this.#own;
    const names = images.map(({ image }) => image);
    const assigned = assignSplits(names, splits, seed);
    const parts = new Map<Split, CaptionedImage[]>();
    for (const image of images) {
      const split = named(image.split) ?? assigned.get(image.image);
      if (split === undefined) continue;
      const part = parts.get(split);
      if (part) part.push(image);
      else parts.set(split, [image]);
    }
    return parts;
  }
}

const SPLIT_NAMES: Record<string, Split> = {
  train: 'train',
  training: 'train',
  val: 'val',
  valid: 'val',
  validation: 'val',
  dev: 'val',
  test: 'test',
  testing: 'test',
};

/** A split by our name, whichever of the usual ones the file has for it. */
const named = (split?: string) => split && (SPLIT_NAMES[split.trim().toLowerCase()] ?? split);

/** The number in the file's name where every image has its own, else the path itself. */
function idsOf(images: CaptionedImage[]): (image: CaptionedImage) => number | string {
  const ids = new Set(images.map(({ image }) => imageId(image)));
  const distinct = new Set(images.map(({ image }) => image)).size;
  return ids.size === distinct ? ({ image }) => imageId(image) : ({ image }) => image;
}

const evalEntries = ({ image, captions, file, index }: CaptionedImage, id: number | string): Annotation[] => [
  { values: { image, caption: captions, image_id: id }, file, index },
];

const trainEntries = ({ image, captions, file, index }: CaptionedImage, id: number | string): Annotation[] =>
  captions.map((caption) => ({ values: { image, caption, image_id: id }, file, index }));
