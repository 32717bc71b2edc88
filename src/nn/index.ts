/** Module and layers, with PyTorch's parameter names, shapes and layouts. */
export { assignValues } from './assign.js';
export { freezeNamed, keepFrozenStill } from './freeze.js';
export { type Initializer, normal, ones, truncatedNormal, uniformFanIn, zeros } from './init.js';
export {
  dropoutIn,
  dropoutOf,
  dropPathIn,
  Embedding,
  LayerNorm,
  Linear,
  type LoraSettings,
  Mlp,
  type Quantizable,
} from './layers.js';
export {
  firstFew,
  type LoadReport,
  Module,
  type StateSource,
  type StateValue,
  sameShape,
} from './module.js';
export { type Block, runBlock } from './run_block.js';
