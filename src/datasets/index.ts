/** Datasets: builders make them from the configuration, loaders make batches of them. */
export type { BuilderClass, DatasetBuilder, Splits } from './builders/builder.js';
export { CaptionBuilder } from './builders/caption_builder.js';
export * from './builders/index.js';
export {
  CaptionDataset,
  CaptionEvalDataset,
  ImageTextPairDataset,
  NoCapsEvalDataset,
} from './datasets/caption_dataset.js';
export { CaptionReader, type CaptionRecord } from './datasets/caption_reader.js';
export { imageId, numericId } from './datasets/image_id.js';
export { captionsOf, shapesVocabulary } from './datasets/shapes/captions.js';
export { scenesOf } from './datasets/shapes/draw.js';
export { type BadSample, BadSamples } from './loading/bad_samples.js';
export { collate } from './loading/collate.js';
export {
  type BatchSource,
  DataLoader,
  type DataLoaderOptions,
  type LoadingOptions,
} from './loading/data_loader.js';
export { batchCount, batchesOf, epochOrder, shard } from './loading/sampler.js';
export { WorkerPool } from './loading/worker_pool.js';
export type {
  Batch,
  Dataset,
  GroundTruth,
  IterableDataset,
  ReaderSpec,
  Sample,
  SampleJob,
  SampleReader,
  SampleRecord,
  Split,
} from './types.js';
