import { z } from 'zod';
import { key, types as t } from '../../config/index.js';
import { processorKeys } from '../../processors/index.js';

const textOrTexts = z.union([t.text, t.texts]);

const annotationSchema = z.strictObject({
  url: key(textOrTexts, undefined, 'Where the file is fetched when absent; a list for several files.'),
  md5: key(textOrTexts, undefined, 'Checked after fetching.'),
  storage: key(textOrTexts, undefined, 'The file; a relative path is under the cache root.'),
});

/** `build_info.annotations`. */
export const annotationsKey = key(
  z.record(z.string(), annotationSchema.nullable()),
  undefined,
  'By split; a split set to null is left out.',
);

const mediaSchema = z.strictObject({
  storage: key(t.text, undefined, 'The folder of the images; a relative path is under the cache root.'),
  url: key(textOrTexts, undefined, 'Archives that `lavis download` fetches.'),
  md5: key(textOrTexts, undefined, 'Checked after fetching.'),
});

/** `build_info.images`, or what `data_type` names. */
export const imagesKey = key(mediaSchema, undefined, 'Where the images lie.');

/**
 * Keys of a dataset with annotation files and images in a folder.
 * @param own further keys of its `build_info`.
 */
export const datasetSchema = (own: z.ZodRawShape = {}) =>
  z.strictObject({
    type: key(t.text, 'default', 'Which default file: a type that `lavis zoo` lists.'),
    dataset_card: key(t.text, undefined, 'Accepted for LAVIS: where the dataset is described.'),
    data_type: key(t.text, 'images', 'The key of `build_info` that tells the folder.'),
    ...processorKeys,
    build_info: key(
      z.strictObject({
        annotations: annotationsKey,
        images: imagesKey,
        ...own,
      }),
      undefined,
      'Where the files lie.',
    ),
  });

export const annotatedSchema = datasetSchema();
