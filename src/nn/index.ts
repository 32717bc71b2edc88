/** Module and layers, with PyTorch's parameter names, shapes and layouts. */

export { freezeNamed, keepFrozenStill } from './freeze.js';
export { type Initializer, normal, ones, truncatedNormal, uniformFanIn, zeros } from './init.js';
export {
  type Block,
  dropoutIn,
  dropoutOf,
  dropPathIn,
  Embedding,
  LayerNorm,
  Linear,
  type LoraSettings,
  Mlp,
  type Quantizable,
  runBlock,
} from './layers.js';
export {
  assignValues,
  firstFew,
  type LoadReport,
  Module,
  type StateSource,
  type StateValue,
  sameShape,
} from './module.js';
