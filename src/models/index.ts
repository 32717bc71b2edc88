/** The models: ViT, MED (BERT with cross-attention), the BLIP models made of them, and what they are used for. */

export { BaseModel } from './base_model.js';
export { BlipBase } from './blip/blip_base.js';
export { BlipCaption } from './blip/blip_caption.js';
export { BlipClassification, type ClassificationSamples } from './blip/blip_classification.js';

export { BlipFeatureExtractor, type BlipFeatures } from './blip/blip_feature_extractor.js';
export { BlipImageTextMatching } from './blip/blip_image_text_matching.js';
export { BlipNLVR, type NlvrSamples } from './blip/blip_nlvr.js';
export { BlipPretrain, type PretrainSamples } from './blip/blip_pretrain.js';
export { BlipRetrieval, type RetrievalSamples } from './blip/blip_retrieval.js';
export { type AnsweredSamples, BlipVQA } from './blip/blip_vqa.js';
export type { Predictions } from './blip/classification_head.js';
export { blipSchema, vitConfigOf } from './blip/config.js';
export { computeGradcam } from './blip/gradcam.js';

export type { SimMatrices, SimMatrixOptions, SimMatrixSamples } from './blip/sim_matrix.js';
export { BeamSearch } from './generation/beam_search.js';
export { generateIds, nucleus } from './generation/generate.js';
export { wordsOf } from './generation/looked_at.js';
export {
  checkedOptions,
  type GenerateOptions,
  generationConflicts,
  generationKeys,
  generationOptions,
  type WrittenText,
} from './generation/options.js';
export {
  banWords,
  bestIndices,
  minimumLength,
  noRepeatNgrams,
  repetitionPenalty,
  softmax,
  topK,
  topP,
} from './generation/scores.js';
export { modelSectionOf } from './hugging_face/config.js';
export { toHuggingFace } from './hugging_face/names.js';
export { hashTensors, type PromptedSamples, type SeenImages } from './image_embeds.js';
export {
  type LoadModelOptions,
  loadModel,
  loadModelAndPreprocess,
  modelZoo,
  type NamedModels,
  zooDownloads,
} from './load.js';
export { mergedTensors } from './lora.js';

export { TextDecoder } from './med/decoder.js';

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
  type ModelClass,
  type ModelOutput,
  quantizeModel,
  type Samples,
} from './model.js';
export { beneathCheckpoint, modelDownloads, namedWeights } from './named_weights.js';
export { interpolatePosEmbed } from './pos_embed.js';
export { BertTokenizer } from './tokenizer/tokenizer.js';
export { loadTokenizer, tokenizerOf, vocabularyItem } from './tokenizer/vocabulary.js';
export {
  type AnswerQuestionsOptions,
  answerQuestions,
  type CaptionImagesOptions,
  captionImages,
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
  type ScoredCaption,
  type ScoredToken,
  scoredCaptions,
  type WordLook,
} from './uses.js';
export { VisionTransformer } from './vit.js';
export { loadWeights, locateWeights } from './weights.js';
