/** Every builder: a new dataset is a class in the folder of its kind and a line here. */
export { annotatedSchema, datasetSchema } from './annotated/build_info.js';
export * from './caption/builders.js';
export { FolderCaptionBuilder } from './caption/folder_caption.js';
export { CustomCaptionBuilder } from './caption/own_captions.js';
export { ShardsCaptionBuilder } from './caption/shards/shards_caption.js';
export * from './classification/builders.js';
export { CustomClassificationBuilder } from './classification/custom_classification.js';
export { NlvrBuilder } from './classification/nlvr.js';
export * from './retrieval/builders.js';
export {
  ShapesCaptionBuilder,
  ShapesNlvrBuilder,
  ShapesRetrievalBuilder,
  ShapesVqaBuilder,
} from './shapes/builders.js';
export * from './vqa/builders.js';
export { CustomVqaBuilder } from './vqa/custom_vqa.js';
