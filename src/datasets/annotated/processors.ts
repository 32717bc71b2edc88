import {
  type ImageArray,
  ImageProcessor,
  imageProcessorOf,
  type RgbImage,
  sideOf,
  TextProcessor,
  textProcessorOf,
} from '../../processors/index.js';
import type { Split } from '../types.js';
import type { DatasetSection } from './build_info.js';

/** The processors of a split. @throws ConfigError */
export function processorsOf(section: DatasetSection, dataset: string, split: Split) {
  const owner = { name: `datasets.${dataset}`, section };
  return {
    image: imageProcessorOf(owner, sideOf(split)) ?? new RawImage(),
    text: textProcessorOf(owner, sideOf(split)) ?? new RawText(),
  };
}

/** Without a vis_processor the pixels come as they are, 0 to 255. */
class RawImage extends ImageProcessor {
  apply({ data, width, height }: RgbImage): ImageArray {
    return { data: Float32Array.from(data), shape: [height, width, 3] };
  }
}

class RawText extends TextProcessor {
  apply(text: string): string {
    return text;
  }
}
