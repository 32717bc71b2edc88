import { existsSync } from 'node:fs';
import { z } from 'zod';
import { log } from '../../common/logging.js';
import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import type { Prepared } from '../annotated/annotation_builder.js';
import type { Annotation } from '../annotated/annotations.js';
import { annotatedSchema, readBuildInfo } from '../annotated/build_info.js';
import type { OwnImage } from '../own/assign_splits.js';
import { OwnBuilder } from '../own/own_builder.js';
import type { Split } from '../types.js';
import { CaptionDataset, CustomEvalDataset } from './caption_dataset.js';
import { captionEntries } from './own_captions.js';
import { readSidecars, SIDECARS } from './sidecars.js';

const images = key(
  z.strictObject({ storage: types.text }),
  undefined,
  'The folder of images and captions: `storage`.',
);
const ownKeys = {
  caption_extension: key(
    z.string().regex(/^\.\w+$/),
    undefined,
    'What the names of caption files end in; .txt and .caption when absent.',
  ),
  splits: key(
    z.record(z.string(), types.size),
    {},
    'The share of images for each split, where folders do not name it.',
  ),
  seed: key(types.count, 42, 'Another seed divides the images otherwise.'),
};

/**
 * A folder of images with their captions beside them, `dog.txt` or `dog.caption` for `dog.jpg`, a caption a
 * line. Folders in it that are named as splits are these; what lies elsewhere is divided by ratio and seed.
 */
@registry.registerBuilder('folder_caption')
export class FolderCaptionBuilder extends OwnBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/folder/defaults_cap.yaml' };
  static override readonly configSchema = annotatedSchema.extend({
    build_info: key(z.strictObject({ images, ...ownKeys }), undefined, 'Where the images lie.'),
  });
  readonly name = 'folder_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CustomEvalDataset;

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    // The base tells what is missing.
    if (!existsSync(this.folder)) return { annotations: new Map(), missing: [] };
    const own = readBuildInfo(this.section, this.name, ownKeys);
    const { images, notes } = await readSidecars(
      this.folder,
      own.caption_extension ? [own.caption_extension] : SIDECARS,
    );
    for (const note of notes) log.warn(`${this.name}: ${note}`);
    return this.annotate(this.divide(images, own, splits), splits);
  }

  protected override entriesOfImages(split: Split, images: readonly OwnImage[]): Annotation[] {
    return captionEntries(split, images, this.name);
  }

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'captions');
  }
}
