/**
 * The library's door: what training, evaluating and using a model from code takes, and what plug-ins are made of.
 * Every name here is a promise (tests/door.test.ts holds the list); anything else in src may change.
 */

// Use a model
export { openCheckpoint, saveSafetensors, saveTorch } from './checkpoint/index.js';
// Run a configuration
export {
  CheckpointError,
  ConfigError,
  DataError,
  DistributedError,
  EngineError,
  LavisError,
  RunInterrupted,
  TrainingError,
} from './common/errors.js';
export type { Rng } from './common/random.js';
export { type Kind, registry } from './common/registry.js';
// Extend it: a class, its name in the registry, the keys of its section
export {
  Config,
  type ConfigOptions,
  key,
  type PlainObject,
  type PlainValue,
  readSection,
  section,
  types,
} from './config/index.js';
export {
  AnnotatedDataset,
  AnnotationBuilder,
  type Batch,
  type BuilderClass,
  CaptionBuilder,
  CaptionDataset,
  CaptionEvalDataset,
  collate,
  type Dataset,
  type DatasetBuilder,
  datasetZoo,
  type IterableDataset,
  type LoadDatasetOptions,
  loadDataset,
  type Sample,
  type SampleReader,
  type Split,
  type Splits,
} from './datasets/index.js';
export { type Engine, type EngineOptions, noGrad, setupEngine, tf, valueAndGrads } from './engine/index.js';
export { type ExportOptions, exportModel } from './export/index.js';
export {
  cocoEvaluate,
  ptbTokenize,
  type RetrievalMetrics,
  type RetrievalPairs,
  retrievalMetrics,
  type VqaResult,
  type VqaScores,
  vqaEvaluate,
} from './metrics/index.js';
export {
  type AnswerOptions,
  type AnswerQuestionsOptions,
  answerQuestions,
  BaseModel,
  BlipBase,
  BlipCaption,
  type BuildOptions,
  type CaptionImagesOptions,
  type CaptionModel,
  type CaptionSamples,
  captionImages,
  type FeatureModel,
  type GenerateOptions,
  type ImageMatch,
  type ImageSource,
  type LoadModelOptions,
  loadModel,
  loadModelAndPreprocess,
  type MatchImagesOptions,
  type MatchModel,
  type Model,
  type ModelClass,
  type ModelOutput,
  matchImages,
  modelZoo,
  type NamedModels,
  type QuestionModel,
  type Samples,
} from './models/index.js';
export { Module } from './nn/index.js';
export { AdamW, type LrScheduler, type LrSchedulerClass, type ParamGroup } from './optim/index.js';
export {
  BlipImageEvalProcessor,
  type ImageArray,
  ImageProcessor,
  loadProcessor,
  type ProcessorClass,
  type ProcessorSection,
  type RgbImage,
  TextProcessor,
} from './processors/index.js';
export {
  BaseRunner,
  type HookClass,
  type Run,
  type RunHook,
  RunnerBase,
  type RunnerClass,
  RunnerIter,
  type RunnerOptions,
  type StepEvent,
} from './runners/index.js';
export {
  type BestWeights,
  type CarryOutOptions,
  type EvaluateOptions,
  evaluate,
  type RunResult,
  type TrainOptions,
  type TrainResult,
  train,
} from './runs/index.js';
export {
  type Found,
  type ImageIndex,
  type IndexOptions,
  openIndex,
  type Query,
  type SearchOptions,
  search,
} from './search/index.js';
export {
  BaseTask,
  CaptionTask,
  type EvaluationContext,
  type EvaluationResult,
  type Metrics,
  type TaskClass,
} from './tasks/index.js';
