export {
  CAPTION_METRICS,
  type CocoOptions,
  type CocoScores,
  cocoEvaluate,
  type ImageScores,
} from './coco/evaluate.js';
export {
  type CaptionAnnotations,
  type CaptionResult,
  type CaptionsById,
  idKey,
  readReferences,
} from './coco/files.js';
export { coreNlpArchive, type MetricFile, metricFiles } from './java/archives.js';
export { javaScorers, type Scorer } from './java/index.js';
export { evalLine, Meteor, parseScore, scoreLine } from './java/meteor.js';
export { parseSpice, Spice, type SpiceCategories, spiceInput } from './java/spice.js';
export {
  type RetrievalMetrics,
  type RetrievalPairs,
  retrievalMetrics,
  type ScoreMatrix,
} from './retrieval.js';
export { type Scores, scoreTokenized, type TokenizedScores } from './scores/score.js';
export type { ImageId } from './scores/tokens.js';
export { ptbTokenize, ptbTokenizeLines } from './tokenizer/ptb.js';
export { checkQuestions, type VqaResult, type VqaScores, vqaEvaluate } from './vqa/evaluate.js';
export {
  type QuestionId,
  readVqaAnnotations,
  readVqaQuestions,
  type VqaAnnotations,
  type VqaQuestions,
} from './vqa/files.js';
