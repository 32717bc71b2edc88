/** Every builder: a new dataset is one new file and one line here. */
export { CocoCaptionBuilder } from './coco_caption.js';
export { CustomCaptionBuilder } from './custom_caption.js';
export { Flickr30kCaptionBuilder } from './flickr30k_caption.js';
export { FolderCaptionBuilder } from './folder_caption.js';
export {
  ConceptualCaption3mBuilder,
  ConceptualCaption12mBuilder,
  SbuCaptionBuilder,
  VgCaptionBuilder,
} from './image_text_pairs.js';
export { NoCapsBuilder } from './nocaps.js';
export { captionDatasetSchema, datasetSchema } from './schema.js';
export { ShapesCaptionBuilder } from './shapes_caption.js';
export { ShardsCaptionBuilder } from './shards_caption.js';
