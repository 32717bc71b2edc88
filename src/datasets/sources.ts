import type { ImageSource } from './annotated/downloads.js';
import type { Split } from './types.js';

/** COCO's archives of images, with their md5 sums where these are known. */
const COCO_ARCHIVES = {
  train2014: '0da8c0bd3d6becc4dcb32757491aca88',
  val2014: 'a3d79f5ed8d289b7a7554ce06a5782b3',
  test2014: '04127eef689ceac55e3a572c2c92f264',
  test2015: undefined,
} as const;

type CocoArchive = keyof typeof COCO_ARCHIVES;

/** Splits that only COCO has: those of its test servers. */
const SERVER_SPLITS: Readonly<Record<Split, readonly CocoArchive[]>> = {
  test2014: ['test2014'],
  test2015: ['test2015'],
};

/** What `lavis download --splits` takes. */
export const DOWNLOAD_SPLITS: readonly Split[] = ['train', 'val', 'test', ...Object.keys(SERVER_SPLITS)];

/** COCO's images. @param bySplit the archives that the splits of a dataset lie in */
export function cocoImages(bySplit: Readonly<Record<Split, readonly CocoArchive[]>>): ImageSource {
  const all = { ...SERVER_SPLITS, ...bySplit };
  return {
    help: 'lavis download coco',
    archives: (splits) =>
      [...new Set(splits.flatMap((split) => all[split] ?? []))].map((folder) => ({
        url: `http://images.cocodataset.org/zips/${folder}.zip`,
        md5: COCO_ARCHIVES[folder],
        folder,
      })),
  };
}

/** Karpathy's train split takes in most of val2014; his val and test are the rest of it. */
export const KARPATHY_IMAGES = cocoImages({
  train: ['train2014', 'val2014'],
  val: ['val2014'],
  test: ['val2014'],
});

/** Visual Genome's images, in two parts. */
export const VISUAL_GENOME_IMAGES: ImageSource = {
  help: 'lavis download vg',
  archives: () => [
    { url: 'https://cs.stanford.edu/people/rak248/VG_100K_2/images.zip', folder: 'VG_100K' },
    { url: 'https://cs.stanford.edu/people/rak248/VG_100K_2/images2.zip', folder: 'VG_100K_2' },
  ],
};

/** Flickr30k's images are handed out on request. */
export const FLICKR30K_IMAGES: ImageSource = {
  help: 'ask for them at https://shannon.cs.illinois.edu/DenotationGraph, or take flickr-image-dataset of hsankesara from Kaggle',
};

/** NLVR2's images are handed out on request. */
export const NLVR2_IMAGES: ImageSource = {
  help: 'ask for them at https://lil.nlp.cornell.edu/nlvr',
};
