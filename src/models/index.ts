/** The models: ViT, MED (BERT with cross-attention), the BLIP models made of them, and what they are used for. */

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
  BlipVQA,
  type BlipVqaOutput,
  blipVqaSchema,
} from './blip/blip_vqa.js';
export type { Predictions } from './blip/classification_head.js';
export { type BlipSection, blipSchema, vitConfigOf } from './blip/config.js';
export { computeGradcam, type Gradcam } from './blip/gradcam.js';
export type { Matches } from './blip/matching.js';
export type { SimMatrices, SimMatrixOptions, SimMatrixSamples } from './blip/sim_matrix.js';
export { type BeamOptions, BeamSearch, type Candidate, type Hypothesis } from './generation/beam_search.js';
export { type Generated, generateIds, nucleus } from './generation/generate.js';
export {
  checkedOptions,
  GENERATION_DEFAULTS,
  type GenerateOptions,
  generationConflicts,
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
export { modelSectionOf } from './hugging_face/config.js';
export { fromHuggingFace, toHuggingFace } from './hugging_face/names.js';
export { hashTensors, type PromptedSamples, type SeenImages, type SeenSamples } from './image_embeds.js';
export {
  type LoadModelOptions,
  loadModel,
  loadModelAndPreprocess,
  type ModelAndPreprocess,
  modelZoo,
  type NamedModels,
  zooDownloads,
} from './load.js';
export { mergedTensors } from './lora.js';
export { type MedConfig, readMedConfig } from './med/config.js';
export { TextDecoder } from './med/decoder.js';
export { TextEncoder } from './med/encoder.js';
export { MASKED as CAUSAL_MASK } from './med/masks.js';
export {
  type BuildOptions,
  type CaptionSamples,
  type Encoded,
  type Exchanged,
  type ForwardPasses,
  fillMissing,
  type ImageEncoding,
  type Model,
  type ModelAdapter,
  type ModelClass,
  type ModelOutput,
  quantizeModel,
  type Samples,
  type TrainingPlan,
} from './model.js';
export { beneathCheckpoint, modelDownloads, namedWeights } from './named_weights.js';
export { interpolatePosEmbed } from './pos_embed.js';
export { BertTokenizer, type EncodedTexts } from './tokenizer/tokenizer.js';
export { loadTokenizer, tokenizerOf, vocabularyItem } from './tokenizer/vocabulary.js';
export {
  type AnswerQuestionsOptions,
  answerQuestions,
  type CaptionImagesOptions,
  captionImages,
  type ImageBatchOptions,
  type ImageMatch,
  type ImageSource,
  imageBatches,
  type MatchImagesOptions,
  matchImages,
  stacked,
} from './use_images.js';
export {
  type AnswerOptions,
  type CaptionModel,
  captionModel,
  type FeatureModel,
  featureModel,
  type MatchModel,
  matchModel,
  type QuestionModel,
  type QuestionSamples,
  questionModel,
} from './uses.js';
export { VisionTransformer, type VitConfig } from './vit.js';
export { loadWeights, locateWeights, type WeightsReport } from './weights.js';
