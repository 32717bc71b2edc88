import {
  type ImageArray,
  ImageProcessor,
  loadImageProcessor,
  loadTextProcessor,
  type RgbImage,
  TextProcessor,
} from '../../processors/index.js';
import type { Split } from '../types.js';
import { type DatasetSection, tableAt } from './build_info.js';

/** The processors of a split: `train` has its own, every other split takes `eval`. */
export function processorsOf(section: DatasetSection, dataset: string, split: Split) {
  const side = split === 'train' ? 'train' : 'eval';
  const where = `datasets.${dataset}`;
  const image = tableAt(tableAt(section, 'vis_processor', where), side, `${where}.vis_processor`);
  const text = tableAt(tableAt(section, 'text_processor', where), side, `${where}.text_processor`);
  return {
    image: typeof image.name === 'string' ? loadImageProcessor(image.name, image) : new RawImage(),
    text: typeof text.name === 'string' ? loadTextProcessor(text.name, text) : new RawText(),
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
