/** The library's door: `import { registry, Config, setupEngine, loadModel } from 'lavis'`. */

export {
  type Checkpoint,
  convertCheckpoint,
  OrderedDict,
  openCheckpoint,
  savedState,
  saveSafetensors,
  saveTorch,
  type TensorRef,
  tuple,
} from './checkpoint/index.js';
export * from './common/errors.js';
export { type Kind, Registry, type RegistryKinds, registry } from './common/registry.js';
export {
  Config,
  type ConfigOptions,
  describeOrigin,
  key,
  type Origin,
  type PlainObject,
  type PlainValue,
  readSection,
  section,
  types,
} from './config/index.js';
export * from './datasets/index.js';
export { type Engine, type EngineOptions, setupEngine, tf, valueAndGrads } from './engine/index.js';
export * from './metrics/index.js';
export {
  BlipCaption,
  type BlipCaptionOutput,
  type CaptionImagesOptions,
  type CaptionModel,
  type CaptionSamples,
  captionImages,
  type GenerateOptions,
  loadModel,
  loadModelAndPreprocess,
  type Model,
  type ModelClass,
  type ModelOutput,
  modelZoo,
  type NamedModels,
  type Samples,
} from './models/index.js';
export { Module } from './nn/index.js';
export * from './optim/index.js';
export * from './processors/index.js';
export * from './runners/index.js';
export * from './tasks/index.js';
