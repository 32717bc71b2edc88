/** The engine room: a device becomes a TensorFlow.js backend, with fused operations and gradients. */
export { noGrad, recompute, record, valueAndGrads } from './autodiff.js';
export { installCuda } from './cuda/install.js';
export { listAdapters } from './devices.js';
export { adamwUpdate } from './fused/adamw.js';
export { attention, splitHeads } from './fused/attention.js';
export { softmaxCrossEntropy } from './fused/cross_entropy.js';
export { dropout } from './fused/dropout.js';
export { addInto, residual } from './fused/elementwise.js';
export { gelu } from './fused/gelu.js';
export { sumOfSquares, updateFactor } from './fused/gradient_norm.js';
export { hasFloat16 } from './fused/half.js';
export { int8Columns, int8Scales } from './fused/int8.js';
export { layerNorm } from './fused/layer_norm.js';
export { linear, linearParts } from './fused/linear.js';
export { type Dropout, type LinearWeights, project, projectParts } from './fused/low_rank.js';
export {
  appendKeysAndValues,
  attentionPart,
  feedForwardPart,
  type KeysAndValues,
  postNorm,
} from './fused/post_norm.js';
export { type QuantizedWeight, quantizedLinear, quantizeWeight } from './fused/quantized.js';
export {
  type Attributes,
  type GraphSpec,
  type Node,
  node,
  type StoredTensor,
  writeModel,
} from './onnx/messages.js';
export { type Engine, type EngineOptions, parseDevice, setupEngine } from './setup.js';
export { tf } from './tf.js';
export { deviceMemory, isHostMemory, peek, releaseIdleMemory } from './tfjs_internals.js';
