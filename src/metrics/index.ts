export { CAPTION_METRICS, cocoEvaluate } from './coco/evaluate.js';
export { type CaptionAnnotations, type CaptionResult, idKey, readReferences } from './coco/files.js';
export { coreNlpArchive, metricFiles } from './java/archives.js';
export { javaScorers } from './java/index.js';
export { evalLine, Meteor, parseScore, scoreLine } from './java/meteor.js';
export { parseSpice, Spice, spiceInput } from './java/spice.js';
export { type RetrievalMetrics, type RetrievalPairs, retrievalMetrics } from './retrieval.js';
export { scoreTokenized } from './scores/score.js';

export { ptbTokenize, ptbTokenizeLines } from './tokenizer/ptb.js';
export { checkQuestions, type VqaResult, type VqaScores, vqaEvaluate } from './vqa/evaluate.js';
export {
  type QuestionId,
  readVqaAnnotations,
  readVqaQuestions,
  type VqaAnnotations,
  type VqaQuestions,
} from './vqa/files.js';
