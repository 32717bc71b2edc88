import { CLIP_MEAN, CLIP_STD } from '../processors/index.js';

/** What images are made of before the model sees them. */
export interface Preprocessing {
  /** Subtracted from red, green and blue, which go from 0 to 1; CLIP's, which BLIP was trained with, where left out. */
  mean?: readonly [number, number, number];
  /** What they are divided by then. */
  std?: readonly [number, number, number];
}

/** Pillow's bicubic. */
const BICUBIC = 3;

/**
 * A preprocessor_config.json: `blip_image_eval` in Hugging Face's words.
 * @param type the image processor's class
 * @param size pixels a side of the square that the model sees
 */
export const preprocessorConfig = (type: string, size: number, { mean, std }: Preprocessing) => ({
  image_processor_type: type,
  do_convert_rgb: true,
  do_resize: true,
  size: { height: size, width: size },
  resample: BICUBIC,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: mean ?? CLIP_MEAN,
  image_std: std ?? CLIP_STD,
});
