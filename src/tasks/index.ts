/** The tasks: what a training step and an evaluation mean. A new task is one file and one line here. */
export {
  BaseTask,
  type EvaluationContext,
  type Metrics,
  type Samples,
  type StepLosses,
  setupTask,
  type TaskClass,
  type TrainableModel,
  toSamples,
} from './base_task.js';
export { buildDataset, buildDatasets, buildModel, datasetNames, usedSplits } from './build.js';
export { type CaptionModel, type CaptionSettings, CaptionTask, evaluationId } from './captioning.js';
export { type EvaluationResult, mergeResults, pythonJson, resultFile } from './results.js';
