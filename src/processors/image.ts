import { ConfigError } from '../common/errors.js';
import type { Rng } from '../common/random.js';
import { registry } from '../common/registry.js';
import { ImageProcessor, type ProcessorSection } from './base.js';
import { CLIP_MEAN, CLIP_STD, Normalizer } from './normalize.js';
import { RandAugment } from './rand_augment.js';
import { randomCrop } from './random_crop.js';
import { Resampler } from './resample.js';
import type { ImageArray, RgbImage } from './rgb_image.js';
import { count, fraction, readSection, type Triple, triple } from './section.js';

const COMMON_KEYS = {
  image_size: count(384),
  mean: triple(CLIP_MEAN),
  std: triple(CLIP_STD, { positive: true }),
};

export interface BlipImageOptions {
  /** Pixels a side of the square result. */
  imageSize?: number;
  mean?: Triple;
  std?: Triple;
}

/** Resizes to a square, whatever the aspect ratio, and normalises. Source: lavis/processors/blip_processors.py. */
@registry.registerProcessor('blip_image_eval')
export class BlipImageEvalProcessor extends ImageProcessor {
  readonly imageSize: number;
  readonly #normalizer: Normalizer;
  readonly #resampler = new Resampler();

  constructor({ imageSize = 384, mean = CLIP_MEAN, std = CLIP_STD }: BlipImageOptions = {}) {
    super();
    this.imageSize = imageSize;
    this.#normalizer = new Normalizer(mean, std);
  }

  /** Keys: `image_size` (384), `mean`, `std`. @throws ConfigError */
  static fromConfig(section?: ProcessorSection): BlipImageEvalProcessor {
    const { image_size, mean, std } = readSection('blip_image_eval', section, COMMON_KEYS);
    return new BlipImageEvalProcessor({ imageSize: image_size, mean, std });
  }

  apply(image: RgbImage, _rng?: Rng, out?: Float32Array): ImageArray {
    const whole = { x: 0, y: 0, width: image.width, height: image.height };
    return this.#normalizer.apply(this.#resampler.resize(image, whole, this.imageSize, this.imageSize), out);
  }
}

export interface BlipImageTrainOptions extends BlipImageOptions {
  /** Bounds of the crop's share of the area. */
  minScale?: number;
  maxScale?: number;
}

/**
 * A random crop resized to a square, mirrored half of the time, augmented by two random operations of
 * level 5, normalised. Source: lavis/processors/blip_processors.py.
 */
@registry.registerProcessor('blip_image_train')
export class BlipImageTrainProcessor extends ImageProcessor {
  readonly imageSize: number;
  readonly minScale: number;
  readonly maxScale: number;
  readonly #augment = new RandAugment({ operations: 2, level: 5 });
  readonly #normalizer: Normalizer;
  readonly #resampler = new Resampler();

  constructor(options: BlipImageTrainOptions = {}) {
    super();
    const { imageSize = 384, mean = CLIP_MEAN, std = CLIP_STD, minScale = 0.5, maxScale = 1 } = options;
    if (minScale > maxScale) {
      throw new ConfigError('the processor blip_image_train cannot be set up', {
        found: `min_scale ${minScale}, max_scale ${maxScale}`,
        allowed: 'min_scale at most max_scale',
      });
    }
    this.imageSize = imageSize;
    this.minScale = minScale;
    this.maxScale = maxScale;
    this.#normalizer = new Normalizer(mean, std);
  }

  /** Keys: `image_size` (384), `mean`, `std`, `min_scale` (0.5), `max_scale` (1.0). @throws ConfigError */
  static fromConfig(section?: ProcessorSection): BlipImageTrainProcessor {
    const { image_size, mean, std, min_scale, max_scale } = readSection('blip_image_train', section, {
      ...COMMON_KEYS,
      min_scale: fraction(0.5),
      max_scale: fraction(1),
    });
    return new BlipImageTrainProcessor({
      imageSize: image_size,
      mean,
      std,
      minScale: min_scale,
      maxScale: max_scale,
    });
  }

  /** @throws ConfigError without an rng: nothing random here comes from elsewhere. */
  apply(image: RgbImage, rng?: Rng, out?: Float32Array): ImageArray {
    if (!rng) {
      throw new ConfigError('blip_image_train needs a random number generator', {
        help: "pass one: processor.apply(image, Rng.of(seed, 'augment', index))",
      });
    }
    const box = randomCrop(image.width, image.height, this.minScale, this.maxScale, rng);
    const mirror = rng.next() < 0.5;
    const square = this.#resampler.resize(image, box, this.imageSize, this.imageSize, mirror);
    return this.#normalizer.apply(this.#augment.apply(square, rng), out);
  }
}
