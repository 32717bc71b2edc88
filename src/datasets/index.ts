/** Datasets: builders make them from the configuration, loaders make batches of them. */

export { AnnotatedDataset } from './annotated/annotated_dataset.js';
export { AnnotationBuilder } from './annotated/annotation_builder.js';
export { hasWords, isNothing } from './annotated/annotations.js';
export { checkSamples, sampleFaults } from './annotated/check_samples.js';
export { imageId, numericId } from './annotated/image_id.js';

export type { BuilderClass, DatasetBuilder, Splits } from './builder.js';
export * from './builders.js';
export { CaptionDataset, CaptionEvalDataset } from './caption/caption_dataset.js';
export { type RecognisedFolder, recogniseFolder } from './caption/recognise_folder.js';

export { fingerprintOf } from './fingerprint.js';
export { datasetDownloads, datasetZoo, type LoadDatasetOptions, loadDataset } from './load.js';
export { type BadSample, BadSamples } from './loading/bad_samples.js';
export { type BatchSource, endless, type LoadingOptions } from './loading/batch_source.js';
export { batchSize, collate, idsOf, isNumericArray } from './loading/collate.js';
export { DataLoader, type DataLoaderOptions } from './loading/data_loader.js';
export { ConcatDataset } from './loading/joined_datasets.js';
export { MixedLoader } from './loading/mixed_loader.js';

export { batchesOf, epochOrder, indicesOfRank } from './loading/sampler.js';

export { Subset } from './loading/subset.js';
export { trainSource } from './loading/train_source.js';
export { checkEmbeds, embedsPath, readEmbeds, writeEmbeds } from './remembered/embeds_file.js';
export { RetrievalEvalDataset } from './retrieval/retrieval_dataset.js';
export { captionsOf, orderedCaptionsOf, shapesVocabulary } from './shapes/captions.js';
export { drawScene, scenesOf } from './shapes/draw.js';
export { questionAnswers, questionsOf, shapesFamilyVocabulary } from './shapes/questions.js';
export { statedScenes } from './shapes/statements.js';
export { DOWNLOAD_SPLITS } from './sources.js';
export type {
  Batch,
  ClassificationDataset,
  Dataset,
  IterableDataset,
  NumericArray,
  RetrievalDataset,
  Sample,
  SampleReader,
  SampleSource,
  Split,
  VqaDataset,
} from './types.js';
export { VqaEvalDataset, VqaTrainDataset } from './vqa/vqa_dataset.js';
