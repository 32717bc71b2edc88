import { DataError } from '../../common/errors.js';
import type { Batch, Sample } from '../types.js';

/**
 * Stacks the images [B, H, W, 3] and lists the values of every other key that all samples share.
 * @throws DataError when the images differ in size.
 */
export function collate(samples: Sample[]): Batch {
  const [first] = samples;
  const [height, width, channels] = first.image.shape;
  const size = height * width * channels;
  const data = new Float32Array(samples.length * size);
  samples.forEach((sample, i) => {
    const shape = sample.image.shape;
    if (shape[0] !== height || shape[1] !== width) {
      throw new DataError('the images of a batch differ in size', {
        found: `${height} x ${width} and ${shape[0]} x ${shape[1]}`,
        help: 'a vis_processor that resizes, such as blip_image_eval',
      });
    }
    data.set(sample.image.data, i * size);
  });
  const batch: Batch = { image: { data, shape: [samples.length, height, width, channels] } };
  for (const key of Object.keys(first)) {
    if (key !== 'image' && samples.every((sample) => key in sample)) {
      batch[key] = samples.map((sample) => sample[key]);
    }
  }
  return batch;
}
