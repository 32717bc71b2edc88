import { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import type { Rng } from '../common/random.js';
import { registry } from '../common/registry.js';
import { key, readSection, types } from '../config/index.js';
import { ImageProcessor, type ProcessorSection, type Scaling, type Triple } from './base.js';
import { DECODINGS, type Decoding } from './decode.js';
import { CLIP_MEAN, CLIP_STD, Normalizer } from './pixel_loops.js';
import { RandAugment } from './rand_augment.js';
import { randomCrop } from './random_crop.js';
import { Resampler } from './resample.js';
import { type ImageArray, type RgbImage, Scratch } from './rgb_image.js';

const scale = z.tuple([types.positive, types.positive, types.positive]);

const commonKeys = {
  name: key(types.text, undefined, 'Which processor: one of `lavis zoo`.'),
  image_size: key(types.natural, 384, 'Side length, in pixels, of the square image that the model sees.'),
  mean: key(
    types.colour,
    CLIP_MEAN,
    'Per-channel mean subtracted from red, green and blue values between 0 and 1.',
  ),
  std: key(scale, CLIP_STD, 'Per-channel standard deviation to divide by.'),
  decode: key(
    z.enum(DECODINGS),
    'as_shown',
    'How a file is read: `as_shown` applies the EXIF orientation, blends transparency onto white and scales 16-bit grey; `reference` gives the pixels that LAVIS sees.',
  ),
};

export interface BlipImageOptions {
  /** Side length of the square result, in pixels. */
  imageSize?: number;
  mean?: Triple;
  std?: Triple;
  decode?: Decoding;
}

/** Resizes to a square, whatever the aspect ratio, and normalises. Source: lavis/processors/blip_processors.py. */
@registry.registerProcessor('blip_image_eval')
export class BlipImageEvalProcessor extends ImageProcessor {
  readonly imageSize: number;
  override readonly decode: Decoding;
  override readonly scaling: Scaling;
  readonly #normalizer: Normalizer;
  readonly #resampler = new Resampler();

  constructor(options: BlipImageOptions = {}) {
    super();
    const { imageSize = 384, mean = CLIP_MEAN, std = CLIP_STD, decode = 'as_shown' } = options;
    this.imageSize = imageSize;
    this.decode = decode;
    this.scaling = { mean, std };
    this.#normalizer = new Normalizer(this.scaling);
  }

  static readonly configSchema = z.strictObject(commonKeys);

  /** @throws ConfigError */
  static fromConfig(section?: ProcessorSection): BlipImageEvalProcessor {
    const { image_size, mean, std, decode } = readSection(
      'blip_image_eval',
      BlipImageEvalProcessor.configSchema,
      section,
    );
    return new BlipImageEvalProcessor({ imageSize: image_size, mean, std, decode });
  }

  apply(image: RgbImage, _rng?: Rng): ImageArray {
    const whole = { x: 0, y: 0, width: image.width, height: image.height };
    const square = this.#resampler.resizeInScratch(image, whole, this.imageSize, this.imageSize);
    return this.#normalizer.apply(square);
  }
}

export interface BlipImageTrainOptions extends BlipImageOptions {
  /** Bounds of the crop's share of the area. */
  minScale?: number;
  maxScale?: number;
}

/**
 * A random crop resized to a square, flipped horizontally with probability 0.5, augmented by two random operations
 * of level 5, and normalised. Source: lavis/processors/blip_processors.py.
 */
@registry.registerProcessor('blip_image_train')
export class BlipImageTrainProcessor extends ImageProcessor {
  readonly imageSize: number;
  override readonly decode: Decoding;
  override readonly scaling: Scaling;
  readonly minScale: number;
  readonly maxScale: number;
  readonly #augment = new RandAugment({ operations: 2, level: 5 });
  readonly #scratch = new Scratch();
  readonly #normalizer: Normalizer;
  readonly #resampler = new Resampler();

  constructor(options: BlipImageTrainOptions = {}) {
    super();
    const {
      imageSize = 384,
      mean = CLIP_MEAN,
      std = CLIP_STD,
      minScale = 0.5,
      maxScale = 1,
      decode = 'as_shown',
    } = options;
    if (minScale > maxScale) {
      throw new ConfigError('the processor blip_image_train cannot be set up', {
        found: `min_scale ${minScale}, max_scale ${maxScale}`,
        allowed: 'min_scale no greater than max_scale',
      });
    }
    this.imageSize = imageSize;
    this.decode = decode;
    this.minScale = minScale;
    this.maxScale = maxScale;
    this.scaling = { mean, std };
    this.#normalizer = new Normalizer(this.scaling);
  }

  static readonly configSchema = z.strictObject({
    ...commonKeys,
    min_scale: key(types.fraction, 0.5, "The smallest fraction of the image's area that a crop covers."),
    max_scale: key(types.fraction, 1, "The largest fraction of the image's area that a crop covers."),
  });

  /** @throws ConfigError */
  static fromConfig(section?: ProcessorSection): BlipImageTrainProcessor {
    const keys = readSection('blip_image_train', BlipImageTrainProcessor.configSchema, section);
    const { image_size, mean, std, min_scale, max_scale, decode } = keys;
    return new BlipImageTrainProcessor({
      imageSize: image_size,
      mean,
      std,
      decode,
      minScale: min_scale,
      maxScale: max_scale,
    });
  }

  /** @throws TypeError without an rng: it is the only source of randomness. */
  apply(image: RgbImage, rng?: Rng): ImageArray {
    if (!rng) {
      throw new TypeError(
        "blip_image_train needs a random number generator: processor.apply(image, Rng.of(seed, 'augment', index))",
      );
    }
    const box = randomCrop(image.width, image.height, this.minScale, this.maxScale, rng);
    const mirror = rng.next() < 0.5;
    const square = this.#resampler.resizeInScratch(image, box, this.imageSize, this.imageSize, mirror);
    return this.#normalizer.apply(this.#augment.apply(square, rng, this.#scratch));
  }
}
