/** Door of inference: a model put to use, as a name, a run or a checkpoint says which, and images brought to it. */
export { type Answerer, loadAnswerer } from './answerer.js';
export {
  type Captioned,
  type CaptionFiles,
  captionedOf,
  type Existing,
} from './caption_files.js';
export {
  type Captioner,
  type CaptionJob,
  captionAll,
  captionFiles,
  captionNew,
  loadCaptioner,
} from './captioner.js';
export { type CheckpointModel, loadCheckpointModel } from './checkpoint_model.js';
export { Explanations, explainCaption, explainRun } from './explain.js';
export { type FetchedImages, findImages, inBatches } from './image_batches.js';
export { indexFolder } from './index_folder.js';
export type { ModelSource } from './use_model.js';
export { type Use, type UsedModel, useModel } from './use_model.js';
export { XmpSidecars } from './xmp_sidecars.js';
