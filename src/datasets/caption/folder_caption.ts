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
import { CAPTION_PLACES, readCaptionFolder } from './caption_folder.js';
import { captionEntries, PROMPTED_CAPTIONS, promptedKeys } from './own_captions.js';

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
  caption_from: key(
    z.enum(CAPTION_PLACES),
    undefined,
    'Where captions are: `beside` (text files), `metadata` (metadata.csv or .jsonl) or `file_name`; detected by default.',
  ),
  ...promptedKeys,
};

/**
 * A folder of images with their captions beside them, `dog.txt` or `dog.caption` for `dog.jpg`, a caption a
 * line; or in Hugging Face's metadata.csv or metadata.jsonl; or in their names. Folders in it that are named as splits are these; what lies elsewhere is divided by ratio and seed.
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
    const { caption_extension: extension, caption_from: from } = own;
    const { images, notes } = await readCaptionFolder(this.folder, {
      from,
      extensions: extension ? [extension] : undefined,
      form: { ...PROMPTED_CAPTIONS, dataset: this.name },
      keys: {
        image: own.image_key,
        caption: own.caption_key,
        prompt: own.prompt_key,
        split: own.split_key,
      },
    });
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
