import { readFileSync } from 'node:fs';
import { ConfigError } from '../common/errors.js';
import { resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { didYouMean } from '../common/suggest.js';
import { isPlainObject, type PlainObject, parseYaml, shownPath, toPlain } from '../config/index.js';
import {
  type ImageProcessor,
  loadImageProcessor,
  loadTextProcessor,
  type TextProcessor,
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
  const { model: section = {} } = readDefaults(name, modelType);
  if (checkpoint) Object.assign(section, beneathCheckpoint({ ...section, ...replaced }));
  const model = await registry
    .getModelClass(name)
    .fromConfig({ ...section, ...replaced }, { training: !isEval, ...options });
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
  const { preprocess = {} } = readDefaults(name, modelType);
  const sectionOf = (kind: string, split: string) => {
    const kinds = preprocess[kind];
    const section = isPlainObject(kinds) ? kinds[split] : undefined;
    return isPlainObject(section) ? section : {};
  };
  const image = (split: string, fallback: string) => {
    const section = sectionOf('vis_processor', split);
    return loadImageProcessor(String(section.name ?? fallback), section);
  };
  const text = (split: string) => {
    const section = sectionOf('text_processor', split);
    return loadTextProcessor(String(section.name ?? 'blip_caption'), section);
  };
  const visProcessors = { train: image('train', 'blip_image_train'), eval: image('eval', 'blip_image_eval') };
  const txtProcessors = { train: text('train'), eval: text('eval') };
  return { model: await loadModel(name, modelType, options), visProcessors, txtProcessors };
}

/**
 * What a `model` section says of weights where a checkpoint comes on top: it holds them all, and none are loaded
 * before it; unless it holds the adapters of `model.lora`, beside the base that the section names.
 */
export const beneathCheckpoint = (model: PlainObject): PlainObject =>
  model.lora ? {} : { load_finetuned: false, load_pretrained: false };

/** The weights that a `model` section names and loads; undefined where it starts from none. */
export function namedWeights(model: PlainObject): unknown {
  const { load_finetuned, load_pretrained, finetuned, pretrained } = model;
  return (load_finetuned && finetuned) || (load_pretrained !== false && pretrained) || undefined;
}

/** Every architecture with its model types. */
export function modelZoo(): Record<string, string[]> {
  const types = (name: string) => Object.keys(registry.getModelClass(name).defaultConfigs);
  return Object.fromEntries(registry.listModels().map((name) => [name, types(name)]));
}

/** The sections of a model type's default file. */
function readDefaults(name: string, modelType?: string): Record<string, PlainObject> {
  const path = defaultConfigFile(name, modelType);
  const tree = parseYaml(readFileSync(path, 'utf8'), { kind: 'default', file: shownPath(path) });
  const sections = Object.entries(toPlain(tree) as PlainObject);
  return Object.fromEntries(
    sections.filter((entry): entry is [string, PlainObject] => isPlainObject(entry[1])),
  );
}

/**
 * The default configuration file of a model type, absolute.
 * @param modelType the first of the architecture's types where left out
 * @throws ConfigError for an unknown architecture or type.
 */
export function defaultConfigFile(name: string, modelType?: string): string {
  const files: Readonly<Record<string, string>> = registry.getModelClass(name).defaultConfigs;
  const known = Object.keys(files);
  const type = modelType ?? known[0];
  if (Object.hasOwn(files, type)) return resolveFile(files[type]);
  throw new ConfigError(`no model type of ${name} is named '${type}'`, {
    found: [`'${type}'`, didYouMean(type, known)].filter(Boolean).join('; '),
    allowed: known.join(', '),
  });
}
