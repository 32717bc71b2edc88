import { z } from 'zod';
import { registry } from '../common/registry.js';
import { defaultFileOf, type PlainObject, readTree, readYamlFile } from '../config/index.js';
import type { DownloadItem } from '../fetch/index.js';
import {
  type ImageProcessor,
  imageProcessorOf,
  loadImageProcessor,
  loadTextProcessor,
  type Side,
  type TextProcessor,
  textProcessorOf,
} from '../processors/index.js';
import type { BlipCaption } from './blip/blip_caption.js';
import type { BlipClassification } from './blip/blip_classification.js';
import type { BlipFeatureExtractor } from './blip/blip_feature_extractor.js';
import type { BlipImageTextMatching } from './blip/blip_image_text_matching.js';
import type { BlipNLVR } from './blip/blip_nlvr.js';
import type { BlipPretrain } from './blip/blip_pretrain.js';
import type { BlipRetrieval } from './blip/blip_retrieval.js';
import type { BlipVQA } from './blip/blip_vqa.js';
import type { BuildOptions, Model, ModelClass } from './model.js';
import { beneathCheckpoint, modelDownloads } from './named_weights.js';

/**
 * The classes that TypeScript knows by name: `getModelClass('blip_caption')` is BlipCaption's. A plug-in in
 * TypeScript adds its own by declaration merging; a name that is not here is any `ModelClass`.
 */
export interface NamedModels {
  blip_caption: typeof BlipCaption;
  blip_feature_extractor: typeof BlipFeatureExtractor;
  blip_image_text_matching: typeof BlipImageTextMatching;
  blip_pretrain: typeof BlipPretrain;
  blip_classification: typeof BlipClassification;
  blip_nlvr: typeof BlipNLVR;
  blip_retrieval: typeof BlipRetrieval;
  blip_vqa: typeof BlipVQA;
}

declare module '../common/registry.js' {
  interface RegistryKinds {
    model: ModelClass;
    namedModels: NamedModels;
  }
}

type Named<N extends keyof NamedModels> = InstanceType<NamedModels[N]>;

export interface LoadModelOptions extends BuildOptions {
  /** Dropout and stochastic depth off. */
  isEval?: boolean;
  /** A path or URL that is loaded over the model's own weights. */
  checkpoint?: string;
  /** Keys of the `model` section that replace the defaults, such as `{ tokenizer: 'vocab.txt' }`. */
  model?: PlainObject;
}

export interface ModelAndPreprocess<M = Model> {
  model: M;
  visProcessors: { train: ImageProcessor; eval: ImageProcessor };
  txtProcessors: { train: TextProcessor; eval: TextProcessor };
}

/**
 * A model with the weights that its default configuration names, as LAVIS's load_model.
 * @param modelType the first of the architecture's types where left out
 * @throws ConfigError for unknown names, DataError or CheckpointError for files.
 */
export function loadModel<N extends keyof NamedModels>(
  name: N,
  modelType?: string,
  options?: LoadModelOptions,
): Promise<Named<N>>;
export function loadModel(name: string, modelType?: string, options?: LoadModelOptions): Promise<Model>;
export async function loadModel(
  name: string,
  modelType?: string,
  { isEval = false, checkpoint, model: replaced = {}, ...options }: LoadModelOptions = {},
): Promise<Model> {
  const section = defaultSection(name, modelType, 'model');
  const model = await registry
    .getModelClass(name)
    .fromConfig(
      { ...section, ...replaced, ...(checkpoint ? beneathCheckpoint({ ...section, ...replaced }) : {}) },
      { training: !isEval, ...options },
    );
  if (checkpoint) await model.loadCheckpoint(checkpoint);
  return isEval ? model.eval() : model;
}

/** `loadModel` and the processors that its default configuration names. */
export function loadModelAndPreprocess<N extends keyof NamedModels>(
  name: N,
  modelType?: string,
  options?: LoadModelOptions,
): Promise<ModelAndPreprocess<Named<N>>>;
export function loadModelAndPreprocess(
  name: string,
  modelType?: string,
  options?: LoadModelOptions,
): Promise<ModelAndPreprocess>;
export async function loadModelAndPreprocess(
  name: string,
  modelType?: string,
  options: LoadModelOptions = {},
): Promise<ModelAndPreprocess> {
  const owner = { name: 'preprocess', section: defaultSection(name, modelType, 'preprocess') };
  const image = (side: Side) => imageProcessorOf(owner, side) ?? loadImageProcessor(`blip_image_${side}`);
  const text = (side: Side) => textProcessorOf(owner, side) ?? loadTextProcessor('blip_caption');
  const visProcessors = { train: image('train'), eval: image('eval') };
  const txtProcessors = { train: text('train'), eval: text('eval') };
  return { model: await loadModel(name, modelType, options), visProcessors, txtProcessors };
}

/** Every architecture with its model types. */
export function modelZoo(): Record<string, string[]> {
  const types = (name: string) => Object.keys(registry.getModelClass(name).defaultConfigs);
  return Object.fromEntries(registry.listModels().map((name) => [name, types(name)]));
}

/** A section of a model type's default file. */
function defaultSection(
  name: string,
  modelType: string | undefined,
  section: 'model' | 'preprocess',
): PlainObject {
  return readTree(
    readYamlFile(defaultFileOf('model', name, modelType)),
    section,
    z.looseObject({}),
  ) as PlainObject;
}

/**
 * What a model of the zoo fetches: both files of weights that its default configuration names, and its vocabulary.
 * @param modelType the first of the architecture's types where left out
 */
export function zooDownloads(name: string, modelType?: string): DownloadItem[] {
  const section = defaultSection(name, modelType, 'model');
  const type = modelType ?? Object.keys(registry.getModelClass(name).defaultConfigs)[0];
  return modelDownloads(section, `${name}/${type}`, { every: true });
}
