import type { Rng } from '../common/random.js';
import { autoContrast, brightness, equalize, sharpness } from './augment.js';
import type { RgbImage, Scratch } from './rgb_image.js';
import { type Affine, warpAffine } from './warp_affine.js';

/** One augmentation: how strong a level makes it, and what it does. */
interface Augmentation {
  /** @returns its argument at a level of 0 … 10; the direction, where it has one, is drawn from `rng`. */
  argument(level: number, rng: Rng): number | undefined;
  /** @param out receives the changed pixels, as long as the image's; a new array if absent. */
  apply(image: RgbImage, argument: number, out?: Uint8Array): RgbImage;
}

const MAX_LEVEL = 10;

const plain = (apply: (image: RgbImage, out?: Uint8Array) => RgbImage): Augmentation => ({
  argument: () => undefined,
  apply: (image, _, out) => apply(image, out),
});

/** The argument is a factor: 0.1 at level 0, 1 at level 5, 1.9 at level 10. */
const enhancing = (apply: Augmentation['apply']): Augmentation => ({
  argument: (level) => (level / MAX_LEVEL) * 1.8 + 0.1,
  apply,
});

/** The argument grows from 0 to `most` and has either sign. */
const moving = (most: number, matrix: (argument: number, image: RgbImage) => Affine): Augmentation => ({
  argument: (level, rng) => (level / MAX_LEVEL) * most * (rng.next() > 0.5 ? -1 : 1),
  apply: (image, argument, out) => warpAffine(image, matrix(argument, image), out),
});

/** Degrees, counter-clockwise about the centre. */
function rotation(degrees: number, { width, height }: RgbImage): Affine {
  const radians = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
  const [x, y] = [width / 2, height / 2];
  return [cos, sin, (1 - cos) * x - sin * y, -sin, cos, sin * x + (1 - cos) * y];
}

// The reference keeps the matrices of Shear and Translate in float32.
const f = Math.fround;

/** The augmentations of `blip_image_train`, by the reference's names. Source: lavis/processors/randaugment.py. */
export const AUGMENTATIONS: Readonly<Record<string, Augmentation>> = {
  Identity: plain((image) => image),
  AutoContrast: plain(autoContrast),
  Brightness: enhancing(brightness),
  Sharpness: enhancing(sharpness),
  Equalize: plain(equalize),
  ShearX: moving(0.3, (shear) => [1, f(shear), 0, 0, 1, 0]),
  ShearY: moving(0.3, (shear) => [1, 0, 0, f(shear), 1, 0]),
  TranslateX: moving(10, (offset) => [1, 0, f(-offset), 0, 1, 0]),
  TranslateY: moving(10, (offset) => [1, 0, 0, 0, 1, f(-offset)]),
  Rotate: moving(30, rotation),
};

/** Draws `operations` augmentations with replacement and applies each with probability 0.5. */
export class RandAugment {
  readonly operations: number;
  readonly level: number;

  constructor({ operations = 2, level = 5 } = {}) {
    this.operations = operations;
    this.level = level;
  }

  /** @param scratch memory that the result may lie in; new memory if absent. */
  apply(image: RgbImage, rng: Rng, scratch?: Scratch): RgbImage {
    const all = Object.values(AUGMENTATIONS);
    let result = image;
    for (let i = 0; i < this.operations; i++) {
      const augmentation = all[rng.int(all.length)];
      if (rng.next() > 0.5) continue;
      const argument = augmentation.argument(this.level, rng) ?? 0;
      result = augmentation.apply(result, argument, scratch?.besides(result.data));
    }
    return result;
  }
}
