import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import type { Annotation } from '../annotated/annotations.js';
import { datasetSchema } from '../annotated/build_info.js';
import { imageId } from '../annotated/image_id.js';
import { type OwnImage, textsOfRole } from '../own/assign_splits.js';
import type { TableForm, TableKeys } from '../own/columns.js';
import { columnKey, isOneFolder, OwnTableBuilder, relocate, tableKeys } from '../own/own_builder.js';
import { type OwnTables, readOwnTables } from '../own/own_table.js';
import type { Split } from '../types.js';
import { CaptionDataset, CustomEvalDataset } from './caption_dataset.js';
import { readSidecars } from './sidecars.js';

const CAPTION = [
  ...['caption', 'captions', 'text', 'texts', 'description', 'comment', 'comments', 'sentence', 'sentences'],
  ...['raw', 'caption_str'],
];

/** Images with captions. */
export const CAPTIONS: TableForm = {
  dataset: 'custom_caption',
  what: 'captions',
  roles: { caption: { names: CAPTION, several: true } },
};

/** Keys of a dataset of one's own captions. */
export const captionKeys = { ...tableKeys, caption_key: columnKey('caption, or captions') };

/** Base of builders of images with captions in tables, or in one folder, which has them beside its images. */
export abstract class OwnCaptionsBuilder extends OwnTableBuilder {
  protected override get form() {
    return { ...CAPTIONS, dataset: this.name };
  }

  protected override async read(paths: readonly string[], keys: TableKeys): Promise<OwnTables> {
    if (!isOneFolder(paths)) return readOwnTables(paths, this.form, keys);
    const tables = await readSidecars(paths[0]);
    relocate(tables.images, paths[0], this.folder);
    return tables;
  }

  protected override entriesOfImages(split: Split, images: readonly OwnImage[]): Annotation[] {
    return captionEntries(split, images);
  }
}

/** An entry for each caption in train, for each image elsewhere. */
export function captionEntries(split: Split, images: readonly OwnImage[]): Annotation[] {
  const idOf = idsOf(images);
  return images.flatMap((one) => {
    const { image, file, index, line } = one;
    const captions = textsOfRole(one, 'caption');
    const entry = (caption: string | string[]): Annotation => ({
      values: { image, caption, image_id: idOf(one) },
      ...{ file, index, line },
    });
    return split === 'train' ? captions.map(entry) : [entry(captions)];
  });
}

/** The number in the file's name where every image has its own, else the path itself. */
function idsOf(images: readonly OwnImage[]): (image: OwnImage) => number | string {
  const ids = new Set(images.map(({ image }) => imageId(image)));
  const distinct = new Set(images.map(({ image }) => image)).size;
  return ids.size === distinct ? ({ image }) => imageId(image) : ({ image }) => image;
}

/** One's own images with captions in a table, in JSON or JSONL, or in a folder (as folder_caption has them). */
@registry.registerBuilder('custom_caption')
export class CustomCaptionBuilder extends OwnCaptionsBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_cap.yaml' };
  static override readonly configSchema = datasetSchema(captionKeys);
  readonly name = 'custom_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CustomEvalDataset;

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'captions');
  }
}
