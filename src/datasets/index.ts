/** Datasets: builders make them from the configuration, loaders make batches of them. */

export { AnnotatedDataset, type DatasetParts } from './annotated/annotated_dataset.js';
export { AnnotationBuilder } from './annotated/annotation_builder.js';
export { hasWords, isNothing } from './annotated/annotations.js';
export { checkSamples, sampleFaults } from './annotated/check_samples.js';
export { imageId, numericId } from './annotated/image_id.js';
export { type AnnotatedRecord, ImageReader, type SampleKeys } from './annotated/image_reader.js';
export type { BuilderClass, DatasetBuilder, Splits } from './builder.js';
export * from './builders.js';
export {
  CaptionDataset,
  CaptionEvalDataset,
  type CaptionTruth,
  ImageTextPairDataset,
  NoCapsEvalDataset,
} from './caption/caption_dataset.js';
export { type RecognisedFolder, recogniseFolder } from './caption/recognise_folder.js';
export { ShardDataset, ShardReader } from './caption/shards/shard_dataset.js';
export { LabelledDataset, type LabelledParts } from './classification/labelled_dataset.js';
export { fingerprintOf } from './fingerprint.js';
export { datasetDownloads, datasetZoo, type LoadDatasetOptions, loadDataset } from './load.js';
export { type BadSample, BadSamples } from './loading/bad_samples.js';
export { type BatchSource, endless, type LoadingOptions } from './loading/batch_source.js';
export { batchSize, collate, idsOf, isNumericArray } from './loading/collate.js';
export { DataLoader, type DataLoaderOptions } from './loading/data_loader.js';
export { ChainDataset, ConcatDataset } from './loading/joined_datasets.js';
export { MixedLoader } from './loading/mixed_loader.js';
export { readerId } from './loading/readers.js';
export { batchCount, batchesOf, epochOrder, shard } from './loading/sampler.js';
export { StreamLoader } from './loading/stream_loader.js';
export { Subset } from './loading/subset.js';
export { type TrainSourceOptions, trainSource } from './loading/train_source.js';
export { checkEmbeds, embedsPath, readEmbeds, writeEmbeds } from './remembered/embeds_file.js';
export { RetrievalEvalDataset, RetrievalTrainDataset } from './retrieval/retrieval_dataset.js';
export { captionsOf, orderedCaptionsOf, shapesVocabulary } from './shapes/captions.js';
export { drawScene, scenesOf } from './shapes/draw.js';
export { type Question, questionAnswers, questionsOf, shapesFamilyVocabulary } from './shapes/questions.js';
export { statedScenes } from './shapes/statements.js';
export { DOWNLOAD_SPLITS } from './sources.js';
export type {
  Batch,
  ClassificationDataset,
  Dataset,
  GroundTruth,
  IterableDataset,
  KeptImage,
  NumericArray,
  ReaderSpec,
  Readers,
  RetrievalDataset,
  Sample,
  SampleFault,
  SampleJob,
  SampleReader,
  SampleRecord,
  SampleSource,
  Split,
  StreamPosition,
  VqaDataset,
} from './types.js';
export { VqaEvalDataset, type VqaParts, VqaTrainDataset } from './vqa/vqa_dataset.js';
