/** Every builder: a new dataset is a class in the folder of its kind and a line here. */
export { annotatedSchema, datasetSchema } from './annotated/schema.js';
export * from './caption/builders.js';
export { CustomCaptionBuilder } from './caption/custom_caption.js';
export { FolderCaptionBuilder } from './caption/folder_caption.js';
export { ShardsCaptionBuilder } from './caption/shards/shards_caption.js';
export { CustomClassificationBuilder } from './classification/custom_classification.js';
export { NlvrBuilder } from './classification/nlvr.js';
export { SnliVeBuilder } from './classification/snli_ve.js';
export * from './retrieval/builders.js';
export { CustomRetrievalBuilder } from './retrieval/custom_retrieval.js';
export { ShapesCaptionBuilder } from './shapes/shapes_caption.js';
export { ShapesNlvrBuilder } from './shapes/shapes_nlvr.js';
export { ShapesRetrievalBuilder } from './shapes/shapes_retrieval.js';
export { ShapesVqaBuilder } from './shapes/shapes_vqa.js';
export { AokVqaBuilder } from './vqa/aok_vqa.js';
export * from './vqa/builders.js';
export { CustomVqaBuilder } from './vqa/custom_vqa.js';
