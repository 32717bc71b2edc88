/** Checkpoints: PyTorch files and safetensors, read and written. */

export type { Checkpoint } from './checkpoint.js';
export { convertCheckpoint } from './convert.js';
export { openCheckpoint } from './open.js';
export {
  openPeftAdapter,
  type PeftAdapter,
  type PeftConfig,
  sha256OfWeights,
  writePeftAdapter,
} from './peft.js';
export { saveSafetensors, saveTorch } from './save.js';
export { indexOfShard, shardOf } from './shards.js';
export { withoutInnerWrappers } from './state_dict.js';
export {
  type CheckpointValue,
  dictMember,
  isHostTensor,
  isTensorRef,
  type LazyTensor,
  OrderedDict,
  PyFloat,
  type SavedTensor,
  savedState,
  savedTensor,
  type TensorRef,
  tuple,
  Unreadable,
} from './values.js';
