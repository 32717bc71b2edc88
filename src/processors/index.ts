/** Image and text processors: they turn files and captions into model input. */

export {
  ImageProcessor,
  type ProcessorClass,
  type ProcessorSection,
  type Scaling,
  TextProcessor,
} from './base.js';
export { checkImage, decodeImage } from './decode.js';
export { BlipImageEvalProcessor, BlipImageTrainProcessor } from './image.js';
export { hasHeic, imagesBelow, inWords, type LeftOut } from './image_files.js';
export { ALLOWED_FORMATS, HEIC_HELP, isHidden, nameKind, withoutImageEnding } from './image_format.js';
export { imageBytes, imagesOf, isUrl, newImages, STDIN } from './image_sources.js';
export {
  imageProcessorOf,
  loadImageProcessor,
  loadProcessor,
  loadTextProcessor,
  type ProcessorOwner,
  processorKeys,
  type Side,
  sideOf,
  textProcessorOf,
} from './load.js';
export { CLIP_MEAN, CLIP_STD } from './pixel_loops.js';
export type { ImageArray, RgbImage } from './rgb_image.js';
export { hashProcessor, samplePixels } from './sample_pixels.js';
export { BaseTextProcessor, BlipCaptionProcessor, BlipQuestionProcessor } from './text.js';
