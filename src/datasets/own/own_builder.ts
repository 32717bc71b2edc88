import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { log } from '../../common/logging.js';
import { cachePath, cacheRoot, expandHome } from '../../common/paths.js';
import { CaptionBuilder, type Prepared } from '../annotated/annotation_builder.js';
import type { Annotation } from '../annotated/annotations.js';
import { tableAt } from '../annotated/build_info.js';
import { imageId } from '../annotated/image_id.js';
import { CaptionDataset, CustomEvalDataset } from '../caption/caption_dataset.js';
import type { Split } from '../types.js';
import type { CaptionedImage } from './assign_splits.js';
import { divideImages, type SplitRatios } from './assign_splits.js';

/** Base of builders of one's own images: their splits, their ids, and paths from the working directory. */
export abstract class OwnCaptionBuilder extends CaptionBuilder {
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

  protected get info() {
    return tableAt(this.section, 'build_info', `datasets.${this.name}`);
  }

  /** The images of each split: by their own split, else by ratio and seed; what is left out is told. */
  protected divide(
    images: readonly CaptionedImage[],
    { splits, seed }: { splits: SplitRatios; seed: number },
    used?: readonly Split[],
  ): Map<Split, CaptionedImage[]> {
    const { parts, notes, leftOut } = divideImages(images, splits, seed, used);
    for (const note of notes) log.info(`${this.name}: ${note}`);
    for (const note of leftOut) log.warn(`${this.name}: ${note}`);
    return parts;
  }

  /** Annotations of the splits that are used: an entry for each caption in train, for each image elsewhere. */
  protected annotate(
    bySplit: ReadonlyMap<Split, readonly CaptionedImage[]>,
    used?: readonly Split[],
  ): Prepared {
    this.#warnShared(bySplit);
    const annotations = new Map<Split, Annotation[]>();
    for (const [split, images] of bySplit) {
      if (used && !used.includes(split)) continue;
      const idOf = idsOf(images);
      const entriesOf = split === 'train' ? trainEntries : evalEntries;
      annotations.set(
        split,
        images.flatMap((image) => entriesOf(image, idOf(image))),
      );
    }
    return { annotations, missing: [] };
  }

  /** Files of their own may mean it so: an image that is trained on and scored is told, not refused. */
  #warnShared(bySplit: ReadonlyMap<Split, readonly CaptionedImage[]>): void {
    const trained = new Set(bySplit.get('train')?.map(({ image }) => image));
    for (const [split, images] of bySplit) {
      if (split === 'train') continue;
      const both = images.filter(({ image }) => trained.has(image));
      if (both.length === 0) continue;
      log.warn(`${this.name}: ${both.length} images of ${split} are trained on, ${both[0].image} for one`);
    }
  }
}

/** The number in the file's name where every image has its own, else the path itself. */
function idsOf(images: readonly CaptionedImage[]): (image: CaptionedImage) => number | string {
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
