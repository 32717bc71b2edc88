/** Checkpoints: PyTorch files and safetensors, read and written. */

export type { Checkpoint, CheckpointFormat } from './checkpoint.js';
export { type Converted, type ConvertOptions, convertCheckpoint } from './convert.js';
export { openCheckpoint } from './open.js';
export {
  type LowRankPair,
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
  Unreadable,
} from './values.js';
