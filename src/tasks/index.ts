/** The tasks: what a training step and an evaluation mean. A new task is one file and one line here. */
export { AokVqaTask } from './aok_vqa.js';
export {
  BaseTask,
  disposeSamples,
  type EvaluatedSplit,
  type EvaluationContext,
  type Metrics,
  type StepLosses,
  type StepPosition,
  setupTask,
  type TaskClass,
  toSamples,
} from './base_task.js';
export { buildDataset, buildModel, type CheckedData, checkData, datasetNames, usedSplits } from './build.js';
export { CaptionTask, evaluationId } from './captioning.js';
export { compareIds, type IdComparison } from './evaluation_ids.js';
export { ImageTextPretrainTask } from './image_text_pretrain.js';
export { MultimodalClassificationTask } from './multimodal_classification.js';
export {
  type EvaluationResult,
  mergeResults,
  pythonJson,
  resultFile,
  type ShownSample,
  type ShownSamples,
} from './results.js';
export { RetrievalTask } from './retrieval.js';
export { VqaTask } from './vqa.js';
