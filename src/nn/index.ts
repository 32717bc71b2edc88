/** Module and layers, with PyTorch's parameter names, shapes and layouts. */

export { freezeNamed, keepFrozenStill } from './freeze.js';
export { type Initializer, normal, truncatedNormal, uniformFanIn, zeros } from './init.js';
export {
  dropoutIn,
  dropoutOf,
  dropPathIn,
  Embedding,
  LayerNorm,
  Linear,
  Mlp,
  type Quantizable,
  runBlock,
} from './layers.js';
export { assignValues, firstFew, type LoadReport, Module, type StateSource, sameShape } from './module.js';
