import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError, DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { cachePath, cacheRoot, expandHome } from '../../common/paths.js';
import { key, types } from '../../config/index.js';
import type { DownloadItem } from '../../fetch/index.js';
import { AnnotationBuilder, type Prepared } from '../annotated/annotation_builder.js';
import type { Annotation } from '../annotated/annotations.js';
import { annotationsKey, listOf, readBuildInfo } from '../annotated/build_info.js';
import { imageItems } from '../annotated/downloads.js';
import type { Split } from '../types.js';
import { divideImages, type OwnImage, type SplitRatios } from './assign_splits.js';
import type { TableForm, TableKeys } from './columns.js';
import { locateImages } from './locate_images.js';
import { type OwnTables, readOwnTables } from './own_table.js';

/** Base of builders of one's own images: their splits, and paths from the working directory. */
export abstract class OwnBuilder extends AnnotationBuilder {
  /** What an image of a split becomes. */
  protected abstract entriesOfImages(split: Split, images: readonly OwnImage[]): Annotation[];

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

  /** Only images: one's own annotations come from nowhere. */
  override downloads(splits: readonly Split[]): DownloadItem[] {
    return imageItems(this.section, this.name, splits);
  }

  /** The images of each split: by their own split, else by ratio and seed; what is left out is told. */
  protected divide(
    images: readonly OwnImage[],
    { splits, seed }: { splits: SplitRatios; seed: number },
    used?: readonly Split[],
  ): Map<Split, OwnImage[]> {
    const { parts, notes, leftOut } = divideImages(images, splits, seed, used);
    for (const note of notes) log.info(`${this.name}: ${note}`);
    for (const note of leftOut) log.warn(`${this.name}: ${note}`);
    return parts;
  }

  /** Annotations of the splits that are used. */
  protected annotate(bySplit: ReadonlyMap<Split, readonly OwnImage[]>, used?: readonly Split[]): Prepared {
    this.#warnShared(bySplit);
    const annotations = new Map<Split, Annotation[]>();
    for (const [split, images] of bySplit) {
      if (!used || used.includes(split)) annotations.set(split, this.entriesOfImages(split, images));
    }
    return { annotations, missing: [] };
  }

  /** Files of their own may mean it so: an image that is trained on and scored is told, not refused. */
  #warnShared(bySplit: ReadonlyMap<Split, readonly OwnImage[]>): void {
    const trained = new Set(bySplit.get('train')?.map(({ image }) => image));
    for (const [split, images] of bySplit) {
      if (split === 'train') continue;
      const both = images.filter(({ image }) => trained.has(image));
      if (both.length === 0) continue;
      log.warn(`${this.name}: ${both.length} images of ${split} are trained on, ${both[0].image} for one`);
    }
  }
}

/** The key that names the column of a role. */
export const columnKey = (role: string) =>
  key(types.text, undefined, `The column with the ${role}; usual names are recognised.`);

/** Keys of every dataset that is read from tables of one's own. */
export const tableKeys = {
  image_key: columnKey('image'),
  split_key: key(types.text, undefined, 'The column that names the split of each image, if any.'),
  splits: key(z.record(z.string(), types.size), {}, 'The fraction of images for each split.'),
  seed: key(types.count, 42, 'Random seed of the split.'),
};

/**
 * Base of builders of one's own images with texts in a table, in JSON or JSONL. `annotations.all` is divided into
 * splits by a column of the file or by ratio and seed; `annotations.train` and so on are taken as they are.
 */
export abstract class OwnTableBuilder extends OwnBuilder {
  /** What the tables hold. */
  protected abstract readonly form: TableForm;

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const bySplit = await this.imagesOfSplits(splits);
    return this.annotate(bySplit, splits);
  }

  /** The images of each split that is used, and of others where they come in one file. */
  protected async imagesOfSplits(used?: readonly Split[]): Promise<Map<Split, OwnImage[]>> {
    const bySplit = new Map<Split, OwnImage[]>();
    for (const [split, files] of this.#files()) {
      if (split !== 'all' && used && !used.includes(split)) continue;
      for (const file of files) if (!existsSync(file.path)) throw this.#absent(split, file);
      const paths = files.map(({ path }) => path);
      const { images, notes } = await this.read(paths, this.columns);
      if (images.length === 0) {
        throw new DataError(`no ${this.form.what} for ${this.name}`, { where: paths.join('\n') });
      }
      for (const note of [...notes, ...locateImages(images, this.folder)]) log.info(`${this.name}: ${note}`);
      if (split !== 'all') bySplit.set(split, images);
      else for (const [part, share] of this.divide(images, this.#dividing, used)) bySplit.set(part, share);
    }
    return bySplit;
  }

  /** The images of some files. */
  protected read(paths: readonly string[], keys: TableKeys): Promise<OwnTables> {
    return readOwnTables(paths, this.form, keys);
  }

  /** The columns that the configuration names. */
  protected get columns(): TableKeys {
    const roles = ['image', 'split', ...Object.keys(this.form.roles)];
    const keys = Object.fromEntries(roles.map((role) => [`${role}_key`, columnKey(role)]));
    const given = readBuildInfo(this.section, this.name, keys);
    return Object.fromEntries(roles.map((role) => [role, given[`${role}_key`]]));
  }

  get #dividing() {
    return readBuildInfo(this.section, this.name, { splits: tableKeys.splits, seed: tableKeys.seed });
  }

  #absent(split: Split, { given, path }: OwnFile): DataError {
    const from = isAbsolute(expandHome(given)) ? '' : `: '${given}' is looked for in ${this.base}`;
    return new DataError(`a file of ${this.form.what} of ${this.name} is not there`, {
      where: path,
      found: `no such file${from}`,
      help: `--options datasets.${this.name}.build_info.annotations.${split}.storage=FILE`,
    });
  }

  #files(): Map<Split, OwnFile[]> {
    const where = `datasets.${this.name}.build_info.annotations`;
    const { annotations = {} } = readBuildInfo(this.section, this.name, { annotations: annotationsKey });
    const files = new Map<Split, OwnFile[]>();
    for (const [split, info] of Object.entries(annotations)) {
      const located = listOf(info?.storage).map((given) => ({ given, path: this.locate(given) }));
      if (located.length > 0) files.set(split, located);
    }
    if (files.size > 0) return files;
    throw new ConfigError(`${this.name} needs a file with ${this.form.what}`, {
      where,
      allowed: `a .csv, .tsv, .json or .jsonl file with images and ${this.form.what}`,
      help: `--options ${where}.all.storage=${this.form.what}.csv`,
    });
  }
}

/** Whether the only path is a folder. */
export const isOneFolder = (paths: readonly string[]): boolean =>
  paths.length === 1 && statSync(paths[0]).isDirectory();

/** Paths of images of one folder, as seen from another. */
export function relocate(images: readonly OwnImage[], from: string, to: string): void {
  for (const one of images) one.image = relative(to, join(from, one.image));
}

/** A file as the configuration has it, and where it lies. */
interface OwnFile {
  given: string;
  path: string;
}
