/** Datasets: builders make them from the configuration, loaders make batches of them. */
export type { BuilderClass, DatasetBuilder, Splits } from './builders/builder.js';
export { CaptionBuilder } from './builders/caption_builder.js';
export * from './builders/index.js';
export { datasetZoo, type LoadDatasetOptions, loadDataset } from './builders/load.js';
export {
  CaptionDataset,
  type CaptionDatasetParts,
  CaptionEvalDataset,
  ImageTextPairDataset,
  NoCapsEvalDataset,
} from './datasets/caption_dataset.js';
export { CaptionReader, type CaptionRecord } from './datasets/caption_reader.js';
export { hasWords } from './datasets/caption_words.js';
export { ChainDataset } from './datasets/chain_dataset.js';
export { checkSamples, sampleFaults } from './datasets/check_samples.js';
export { ConcatDataset } from './datasets/concat_dataset.js';
export { imageId, numericId } from './datasets/image_id.js';
export { captionsOf, orderedCaptionsOf, shapesVocabulary } from './datasets/shapes/captions.js';
export { drawScene, scenesOf } from './datasets/shapes/draw.js';
export { ShardDataset, ShardReader } from './datasets/shards/shard_dataset.js';
export { fingerprintOf } from './fingerprint.js';
export { type BadSample, BadSamples } from './loading/bad_samples.js';
export { type BatchSource, endless, type LoadingOptions } from './loading/batch_source.js';
export { batchSize, collate, idsOf, isNumericArray } from './loading/collate.js';
export { DataLoader, type DataLoaderOptions } from './loading/data_loader.js';
export { MixedLoader } from './loading/mixed_loader.js';
export { batchCount, batchesOf, epochOrder, shard } from './loading/sampler.js';
export { StreamLoader } from './loading/stream_loader.js';
export { type TrainSourceOptions, trainSource } from './loading/train_source.js';
export type {
  Batch,
  Dataset,
  GroundTruth,
  IterableDataset,
  NumericArray,
  ReaderSpec,
  Sample,
  SampleFault,
  SampleJob,
  SampleReader,
  SampleRecord,
  SampleSource,
  Split,
  StreamPosition,
} from './types.js';
