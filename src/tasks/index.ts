/** The tasks: what a training step and an evaluation mean. A new task is one file and one line here. */
export { AokVqaTask } from './aok_vqa.js';
export {
  BaseTask,
  disposeSamples,
  type EvaluationContext,
  type Metrics,
  type StepLosses,
  type StepPosition,
  setupTask,
  type TaskClass,
} from './base_task.js';
export { buildDataset, buildModel, checkData, datasetNames, usedSplits } from './build.js';
export { CaptionTask, evaluationId } from './captioning.js';

export { ImageTextPretrainTask } from './image_text_pretrain.js';
export { MultimodalClassificationTask } from './multimodal_classification.js';
export {
  type EvaluationResult,
  mergeResults,
  pythonJson,
  type ShownSample,
  type ShownSamples,
} from './results.js';
export { RetrievalTask } from './retrieval.js';
export { VqaTask } from './vqa.js';
