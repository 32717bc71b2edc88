import { DataError } from '../../common/errors.js';
import type { Rng } from '../../common/random.js';
import { registry } from '../../common/registry.js';
import type { ImageProcessor } from '../../processors/index.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import type { SampleKeys } from '../annotated/image_reader.js';
import { NLVR2_IMAGES } from '../sources.js';
import type { KeptImages, Sample, SampleReader, SampleRecord, Split } from '../types.js';
import { ClassificationBuilder } from './builders.js';
import { LabelledDataset } from './labelled_dataset.js';

export const NLVR_LABELS: readonly string[] = ['False', 'True'];
export const NLVR_KEYS: SampleKeys = { images: ['image0', 'image1'], texts: ['text_input'] };

/** Sentences about two images: `image0`, `image1`. Source: lavis/datasets/datasets/nlvr_datasets.py. */
export class NlvrDataset extends LabelledDataset {
  protected imagesOf(annotation: Annotation): Record<string, unknown> {
    const { images } = annotation.values;
    if (!Array.isArray(images) || images.length !== 2 || images.some((one) => typeof one !== 'string')) {
      throw new DataError('an annotation does not name two images', {
        where: placeOf(annotation),
        found: JSON.stringify(annotation.values).slice(0, 160),
        allowed: '"images": ["the left one", "the right one"]',
      });
    }
    return { image0: images[0], image1: images[1] };
  }
}

/** Evaluation reads samples as they are. */
export const flippingInTraining = (split: Split, reader: SampleReader): SampleReader =>
  split === 'train' ? new FlippingReader(reader) : reader;

/** Swaps the two images of every other sample, by its own random numbers, and "left" and "right" with them. */
class FlippingReader implements SampleReader {
  readonly images?: readonly string[];
  readonly folder?: string;
  readonly imageProcessor?: ImageProcessor;
  readonly #reader: SampleReader;

  constructor(reader: SampleReader) {
    this.#reader = reader;
    this.images = reader.images;
    this.folder = reader.folder;
    this.imageProcessor = reader.imageProcessor;
  }

  async read(record: SampleRecord, rng: Rng, kept?: KeptImages): Promise<Sample> {
    const sample = await this.#reader.read(record, rng, kept);
    return rng.next() < 0.5 ? flipped(sample) : sample;
  }
}

function flipped(sample: Sample): Sample {
  // Inside words too, as in the reference: "rightmost" becomes "leftmost", "bright" "bleft".
  const text_input = String(sample.text_input).replace(/left|right/g, (side) =>
    side === 'left' ? 'right' : 'left',
  );
  const other = (key: string) => key.replace(/^image[01](?=$|_embeds$)/, (image) => SECOND[image]);
  return {
    ...Object.fromEntries(Object.entries(sample).map(([key, value]) => [other(key), value])),
    text_input,
  };
}

const SECOND: Readonly<Record<string, string>> = { image0: 'image1', image1: 'image0' };

/** NLVR2: whether a sentence is true of two photographs. Source: arXiv:1811.00491. */
@registry.registerBuilder('nlvr')
export class NlvrBuilder extends ClassificationBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/nlvr/defaults.yaml' };
  readonly name = 'nlvr';
  protected readonly classLabels = NLVR_LABELS;
  protected override readonly trainDataset = NlvrDataset;
  protected override readonly evalDataset = NlvrDataset;
  protected override readonly imageSource = NLVR2_IMAGES;
  protected override readonly keys = NLVR_KEYS;

  override reader(split: Split): SampleReader {
    return flippingInTraining(split, super.reader(split));
  }
}
