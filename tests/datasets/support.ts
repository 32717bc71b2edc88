import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { Rng } from '#src/common/random.js';
import {
  type Batch,
  CocoCaptionBuilder,
  type Dataset,
  isNumericArray,
  type NumericArray,
  type Sample,
} from '#src/datasets/index.js';
import { temporaryFolder } from '../support.js';

export interface TinyCoco {
  folder: string;
  /** A section for coco_caption over these files. */
  section: Record<string, unknown>;
  path(name: string): string;
}

const colourOf = (i: number) => ({ r: (i * 37) % 256, g: (i * 91) % 256, b: (i * 17) % 256 });

/** `n` images of 24 x 20 pixels with a caption each, as train, val and test annotations. */
export async function tinyCoco(n: number, imageSize = 16): Promise<TinyCoco> {
  const folder = temporaryFolder();
  const path = (name: string) => join(folder, name);
  mkdirSync(path('images'));
  const names = Array.from({ length: n }, (_, i) => `COCO_${String(i).padStart(6, '0')}.jpg`);
  await Promise.all(
    names.map((name, i) =>
      sharp({ create: { width: 24, height: 20, channels: 3, background: colourOf(i) } })
        .jpeg()
        .toFile(path(`images/${name}`)),
    ),
  );
  const train = names.map((image, i) => ({ image, image_id: `coco_${i}`, caption: `Picture Number ${i}.` }));
  const val = names.map((image, i) => ({ image, caption: [`a ${i}`, `b ${i}`] }));
  writeFileSync(path('train.json'), JSON.stringify(train));
  writeFileSync(path('val.json'), JSON.stringify(val));
  const processor = (name: string) => ({ name, image_size: imageSize });
  const section = {
    data_type: 'images',
    vis_processor: { train: processor('blip_image_train'), eval: processor('blip_image_eval') },
    text_processor: { train: { name: 'blip_caption' }, eval: { name: 'blip_caption' } },
    build_info: {
      annotations: {
        train: { storage: [path('train.json')] },
        val: { storage: path('val.json') },
        test: { storage: path('val.json') },
      },
      images: { storage: path('images') },
    },
  };
  return { folder, section, path };
}

/** All batches of an iterable. */
export async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

/** The train split of a tiny coco_caption. */
export async function trainOf({ section }: TinyCoco): Promise<Dataset> {
  const { train } = await CocoCaptionBuilder.fromConfig(section).buildDatasets(['train']);
  return train as Dataset;
}

/** The pixels of a sample or a batch. */
export const imageOf = ({ image }: Sample | Batch) => image as NumericArray;

export const textsOf = ({ text_input }: Batch) => text_input as string[];

export const imageIdsOf = ({ image_id }: Batch) => image_id as (number | string)[];

/** Small images of these paths, each of a colour of its own, below `images` of a new folder. */
export async function withImages(...names: string[]): Promise<{ folder: string; images: string }> {
  const folder = temporaryFolder();
  const images = join(folder, 'images');
  for (const [i, name] of names.entries()) {
    const path = join(images, name);
    mkdirSync(dirname(path), { recursive: true });
    await sharp({ create: { width: 12, height: 10, channels: 3, background: colourOf(i) } }).toFile(path);
  }
  return { folder, images };
}

/** A section over annotation files that are written beside the images; a split may have several files. */
export function familySection(
  { folder, images }: { folder: string; images: string },
  annotations: Record<string, unknown[]>,
  text = 'blip_caption',
) {
  const processor = (name: string) => ({ name, image_size: 16 });
  const storages = Object.entries(annotations).map(([split, files]) => {
    const paths = files.map((content, i) => {
      const path = join(folder, `${split}${i}.json`);
      writeFileSync(path, JSON.stringify(content));
      return path;
    });
    return [split, { storage: paths }] as const;
  });
  return {
    data_type: 'images',
    vis_processor: { train: processor('blip_image_eval'), eval: processor('blip_image_eval') },
    text_processor: { train: { name: text }, eval: { name: text } },
    build_info: { annotations: Object.fromEntries(storages), images: { storage: images } },
  };
}

/** The samples of a split, read one after the other, with their pixels left out. */
export async function samplesOf(dataset: Dataset, seed = 0): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let i = 0; i < dataset.length; i++) samples.push(await dataset.get(i, Rng.of(seed, i)));
  return samples;
}

/** Without numeric arrays. */
export const plain = (sample: Sample | Batch) =>
  Object.fromEntries(Object.entries(sample).filter(([, value]) => !isNumericArray(value)));
