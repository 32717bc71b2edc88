import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { registry } from '../../common/registry.js';
import { counted } from '../../common/words.js';
import { key, types } from '../../config/index.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import { datasetSchema } from '../annotated/build_info.js';
import { imageId } from '../annotated/image_id.js';
import { type OwnImage, textsOfRole } from '../own/assign_splits.js';
import type { TableForm, TableKeys } from '../own/columns.js';
import { columnKey, isOneFolder, OwnTableBuilder, relocate, tableKeys } from '../own/own_builder.js';
import { type OwnTables, readOwnTables } from '../own/own_table.js';
import type { Split } from '../types.js';
import { CaptionDataset, CustomEvalDataset } from './caption_dataset.js';
import { readCaptionFolder } from './caption_folder.js';

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

/** Images with captions, which may begin with prompts of their own. */
export const PROMPTED_CAPTIONS: TableForm = {
  ...CAPTIONS,
  roles: { ...CAPTIONS.roles, prompt: { names: ['prompt'], optional: true } },
};

/** Keys of a dataset of one's own captions. */
const captionKey = columnKey('caption, or captions');
export const captionKeys = { ...tableKeys, caption_key: captionKey };

/** And of one whose captions may have prompts. */
export const promptedKeys = {
  ...captionKeys,
  prompt_key: key(
    types.text,
    undefined,
    "The column of what a picture's captions begin with, in place of `model.prompt`; `prompt`, where there is one.",
  ),
};

/** Base of builders of images with captions in tables, or in one folder, which has them beside its images. */
export abstract class OwnCaptionsBuilder extends OwnTableBuilder {
  /** What its tables may hold. */
  protected readonly captions: TableForm = CAPTIONS;

  protected override get form() {
    return { ...this.captions, dataset: this.name };
  }

  protected override async read(paths: readonly string[], keys: TableKeys): Promise<OwnTables> {
    if (!isOneFolder(paths)) return readOwnTables(paths, this.form, keys);
    const tables = await readCaptionFolder(paths[0], { form: this.form, keys });
    relocate(tables.images, paths[0], this.folder);
    return tables;
  }

  protected override entriesOfImages(split: Split, images: readonly OwnImage[]): Annotation[] {
    return captionEntries(split, images, this.name);
  }
}

/**
 * An entry for each caption in train, for each image elsewhere. Where one of them has a prompt, all have one, or null.
 * @throws DataError for images of an evaluation with several prompts each
 */
export function captionEntries(split: Split, images: readonly OwnImage[], dataset: string): Annotation[] {
  const idOf = idsOf(images);
  const own = images.filter((one) => textsOfRole(one, 'prompt').length > 0).length;
  const prompted = own > 0;
  if (prompted) log.info(`${dataset} ${split}: ${own} of ${counted(images.length, 'image')} have prompts`);
  if (prompted && split !== 'train') refuseSeveralPrompts(split, images);
  return images.flatMap((one) => {
    const { image, rows, file, index, line } = one;
    const entry = (caption: string | string[], prompt?: string): Annotation => ({
      values: { image, caption, image_id: idOf(one), ...(prompted && { prompt: behindIt(prompt) }) },
      ...{ file, index, line },
    });
    if (split !== 'train') return [entry(textsOfRole(one, 'caption'), textsOfRole(one, 'prompt')[0])];
    return rows.flatMap(({ texts }) => texts.caption.map((caption) => entry(caption, texts.prompt?.[0])));
  });
}

/** The blank that stands between a prompt and a caption; tables mostly lose it. */
const behindIt = (prompt: string | undefined) => (prompt === undefined ? null : `${prompt.trim()} `);

function refuseSeveralPrompts(split: Split, images: readonly OwnImage[]): void {
  const torn = images.filter((one) => new Set(textsOfRole(one, 'prompt').map(behindIt)).size > 1);
  if (torn.length === 0) return;
  throw new DataError(`${counted(torn.length, 'image')} of ${split} with several prompts`, {
    where: torn.slice(0, 3).map(placeOf).join('\n'),
    found: textsOfRole(torn[0], 'prompt').join('; '),
    allowed: 'one prompt for all captions of an image: what is evaluated is captioned once',
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
  static override readonly configSchema = datasetSchema(promptedKeys);
  readonly name = 'custom_caption';
  protected override readonly captions = PROMPTED_CAPTIONS;
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CustomEvalDataset;

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'captions');
  }
}
