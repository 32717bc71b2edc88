/** The models: ViT, MED (BERT with cross-attention) and the BLIP models made of them. */
export {
  BlipCaption,
  type BlipCaptionConfig,
  type BlipCaptionOutput,
  type GeneratedCaptions,
  type TextBatch,
} from './blip_caption.js';
export { blipCaptionSchema, parseBlipCaptionSection, vitConfigOf } from './blip_config.js';
export { type BeamOptions, BeamSearch, type Candidate, type Hypothesis } from './generation/beam_search.js';
export { type Generated, nucleus } from './generation/generate.js';
export type { GenerateOptions } from './generation/options.js';
export {
  bestIndices,
  minimumLength,
  repetitionPenalty,
  softmax,
  temperature,
  topK,
  topP,
} from './generation/scores.js';
export {
  type LoadModelOptions,
  loadModel,
  loadModelAndPreprocess,
  type ModelAndPreprocess,
  modelZoo,
  type NamedModels,
} from './load.js';
export { type MedConfig, TextDecoder } from './med.js';
export { readMedConfig } from './med_config.js';
export {
  type BuildOptions,
  type CaptionModel,
  type CaptionSamples,
  captionModel,
  type Model,
  type ModelClass,
  type ModelOutput,
  type Samples,
} from './model.js';
export { interpolatePosEmbed } from './pos_embed.js';
export { BertTokenizer, type EncodedTexts } from './tokenizer/tokenizer.js';
export { loadTokenizer, vocabularyItem } from './tokenizer/vocabulary.js';
export { VisionTransformer, type VitConfig } from './vit.js';
export type { WeightsReport } from './weights.js';
