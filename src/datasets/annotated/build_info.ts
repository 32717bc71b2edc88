import { z } from 'zod';
import { cachePath } from '../../common/paths.js';
import { key, readSection, types as t } from '../../config/index.js';
import { processorKeys } from '../../processors/index.js';
import type { Split } from '../types.js';

const textOrTexts = z.union([t.text, t.texts]);

const annotationSchema = z.strictObject({
  url: key(
    textOrTexts,
    undefined,
    'Where the file is downloaded from if it is missing; a list for several files.',
  ),
  md5: key(textOrTexts, undefined, 'MD5 checksum, verified after download.'),
  storage: key(textOrTexts, undefined, 'The file; a relative path is under the cache root.'),
});

/** `build_info.annotations`. */
export const annotationsKey = key(
  z.record(z.string(), annotationSchema.nullable()),
  undefined,
  'Annotation files by split; set a split to null to omit it.',
);

const mediaSchema = z.strictObject({
  storage: key(t.text, undefined, 'The folder of the images; a relative path is under the cache root.'),
  url: key(textOrTexts, undefined, 'Archives that `lavis download` fetches.'),
  md5: key(textOrTexts, undefined, 'MD5 checksum, verified after download.'),
});

/** `build_info.images`, or what `data_type` names. */
const imagesKey = key(mediaSchema, undefined, 'Where the images lie.');

/**
 * Keys of a dataset with annotation files and images in a folder.
 * @param own further keys of its `build_info`.
 */
export const datasetSchema = (own: z.ZodRawShape = {}) =>
  z.strictObject({
    type: key(t.text, 'default', 'Which default file: a type that `lavis zoo` lists.'),
    dataset_card: key(t.text, undefined, 'Accepted for LAVIS: where the dataset is described.'),
    data_type: key(t.text, 'images', 'The key of `build_info` that names the folder.'),
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

/** A dataset's section of the configuration, as the merge leaves it. */
export type DatasetSection = Readonly<Record<string, unknown>>;

/** One annotation file: where it lies, and where it comes from. */
export interface AnnotationFile {
  path: string;
  url?: string;
  md5?: string;
  /** The option that points elsewhere. */
  option: string;
}

/** The annotation files of each split; a split set to null is left out. @throws ConfigError */
export function annotationFiles(section: DatasetSection, dataset: string): Map<Split, AnnotationFile[]> {
  const files = new Map<Split, AnnotationFile[]>();
  const { annotations = {} } = readBuildInfo(section, dataset, { annotations: annotationsKey });
  for (const [split, info] of Object.entries(annotations)) {
    if (info === null) continue;
    const at = `datasets.${dataset}.build_info.annotations.${split}`;
    const [storage, urls, md5] = [info.storage, info.url, info.md5].map(listOf);
    // Overriding storage alone leaves the default url behind, one for several files or several for one.
    const paired = urls.length === storage.length;
    files.set(
      split,
      storage.map((path, i) => ({
        path: cachePath(path),
        url: paired ? urls[i] : undefined,
        md5: paired ? md5[i] : undefined,
        option: `${at}.storage=/path/to/${split}.json`,
      })),
    );
  }
  return files;
}

/** A folder of images as the configuration has it. */
export interface ImageFolder {
  /** The key of `build_info` that has it. */
  dataType: string;
  /** As it is written: a relative path is under the cache root. */
  storage?: string;
  /** Archives of them, and their sums. */
  urls: string[];
  md5: string[];
  /** The option that points elsewhere. */
  option: string;
}

/** What `build_info` says of the images, under the key that `data_type` names. @throws ConfigError */
export function imageFolder(section: DatasetSection, dataset: string): ImageFolder {
  const dataType = dataTypeOf(section);
  const { storage, url, md5 } = readBuildInfo(section, dataset, { [dataType]: imagesKey })[dataType] ?? {};
  const option = `datasets.${dataset}.build_info.${dataType}.storage=/path/to/images`;
  return { dataType, storage, urls: listOf(url), md5: listOf(md5), option };
}

/** The key of `build_info` that tells the folder of images. */
export const dataTypeOf = ({ data_type }: DatasetSection): string =>
  typeof data_type === 'string' ? data_type : 'images';

/** Some keys of a dataset's `build_info`; what else stands there is another reader's. @throws ConfigError */
export function readBuildInfo<S extends z.ZodRawShape>(
  section: DatasetSection,
  dataset: string,
  shape: S,
): z.output<z.ZodObject<S>> {
  const what = `datasets.${dataset}.build_info`;
  return readSection(what, z.object(shape), section.build_info, { unknown: 'ignore' });
}

/** One or several, as a list; none where there is nothing. */
export const listOf = (value: string | readonly string[] | undefined): string[] => [value ?? []].flat();
