/** The models: ViT, MED (BERT with cross-attention) and the BLIP models made of them. */
export { BaseModel } from './base_model.js';
export { BlipBase, type BlipParts } from './blip/blip_base.js';
export {
  BlipCaption,
  type BlipCaptionOutput,
  blipCaptionSchema,
  type GeneratedCaptions,
  type TextBatch,
} from './blip/blip_caption.js';
export {
  BlipClassification,
  type BlipClassificationOutput,
  blipClassificationSchema,
  type ClassificationSamples,
} from './blip/blip_classification.js';
export { BlipContrastive, blipContrastiveSchema } from './blip/blip_contrastive.js';
export {
  BlipFeatureExtractor,
  type BlipFeatures,
  blipFeatureExtractorSchema,
  type FeatureMode,
  type FeatureSamples,
} from './blip/blip_feature_extractor.js';
export { BlipImageTextMatching, blipItmSchema, type MatchHead } from './blip/blip_image_text_matching.js';
export { BlipNLVR, type BlipNlvrOutput, blipNlvrSchema, type NlvrSamples } from './blip/blip_nlvr.js';
export {
  BlipPretrain,
  type BlipPretrainOutput,
  blipPretrainSchema,
  type PretrainSamples,
} from './blip/blip_pretrain.js';
export {
  BlipRetrieval,
  type BlipRetrievalOutput,
  blipRetrievalSchema,
  type RetrievalSamples,
} from './blip/blip_retrieval.js';
export {
  type AnsweredSamples,
  type AnswerOptions,
  BlipVQA,
  type BlipVqaOutput,
  blipVqaSchema,
  type QuestionSamples,
} from './blip/blip_vqa.js';
export type { Predictions } from './blip/classification_head.js';
export { type BlipSection, blipSchema, vitConfigOf } from './blip/config.js';
export { computeGradcam, type Gradcam } from './blip/gradcam.js';
export type { SimMatrices, SimMatrixOptions, SimMatrixSamples } from './blip/sim_matrix.js';
export { type CaptionImagesOptions, captionImages, type ImageSource } from './caption_images.js';
export { type BeamOptions, BeamSearch, type Candidate, type Hypothesis } from './generation/beam_search.js';
export { type Generated, generateIds, nucleus } from './generation/generate.js';
export {
  checkedOptions,
  GENERATION_DEFAULTS,
  type GenerateOptions,
  generationKeys,
  generationOptions,
} from './generation/options.js';
export {
  banWords,
  bestIndices,
  minimumLength,
  noRepeatNgrams,
  repetitionPenalty,
  softmax,
  temperature,
  topK,
  topP,
} from './generation/scores.js';
export {
  defaultConfigFile,
  type LoadModelOptions,
  loadModel,
  loadModelAndPreprocess,
  type ModelAndPreprocess,
  modelZoo,
  type NamedModels,
  NO_NAMED_WEIGHTS,
  namedWeights,
} from './load.js';
export { type MedConfig, readMedConfig } from './med/config.js';
export { TextDecoder } from './med/decoder.js';
export { TextEncoder } from './med/encoder.js';
export {
  type BuildOptions,
  type CaptionModel,
  type CaptionSamples,
  captionModel,
  type Encoded,
  type Exchanged,
  type ForwardPasses,
  fillMissing,
  type Model,
  type ModelClass,
  type ModelOutput,
  type Samples,
  type TrainingPlan,
} from './model.js';
export { interpolatePosEmbed } from './pos_embed.js';
export { BertTokenizer, type EncodedTexts } from './tokenizer/tokenizer.js';
export { loadTokenizer, vocabularyItem } from './tokenizer/vocabulary.js';
export { VisionTransformer, type VitConfig } from './vit.js';
export { loadWeights, locateWeights, type WeightsReport } from './weights.js';
