/** Checkpoints: PyTorch files and safetensors, read and written. */
export { type Converted, type ConvertOptions, convertCheckpoint } from './convert.js';
export { type Checkpoint, type CheckpointFormat, openCheckpoint } from './open.js';
export { saveSafetensors, saveTorch } from './save.js';
export {
  type CheckpointValue,
  dictEntries,
  dictMember,
  isHostTensor,
  isTensorRef,
  type LazyTensor,
  type LiveTensor,
  OrderedDict,
  PyFloat,
  type SavedTensor,
  savedState,
  savedTensor,
  type TensorRef,
  tuple,
} from './values.js';
