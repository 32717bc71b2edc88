import { ConfigError } from '../common/errors.js';
import type { tf } from '../engine/index.js';
import type { Matches } from './blip/matching.js';
import type { GenerateOptions } from './generation/options.js';
import type { PromptedSamples, SeenImages } from './image_embeds.js';
import type { Model } from './model.js';

/** A model that describes images. */
export interface CaptionModel extends Model {
  /** `numCaptions` for each image, an image's next to each other. */
  generate(samples: PromptedSamples, options?: GenerateOptions): Promise<string[]>;
  /** The same captions with how sure the model is of them, where it can tell. */
  generateScored?(samples: PromptedSamples, options?: GenerateOptions): Promise<ScoredCaption[]>;
  /**
   * Where the model looked for each word of captions that it made of these images, one caption an image.
   * @returns for each caption its words in order
   */
  lookedAt?(samples: PromptedSamples, captions: readonly ScoredCaption[]): Promise<WordLook[][]>;
}

/** Where a model looked for a word. */
export interface WordLook {
  /** As it is written, of all its pieces. */
  word: string;
  /** How much it looked at each patch, [rows, columns] row by row: at most 1 together, as part goes to no patch. */
  weights: Float32Array;
  rows: number;
  columns: number;
}

/** A caption, and how sure the model is of it. */
export interface ScoredCaption {
  caption: string;
  /** The mean over its tokens, of the natural logarithms of their probabilities: 0 is certain. */
  logProbability?: number;
  /** Of a beam search: the sum with penalties applied, over length ** lengthPenalty, which orders captions. */
  score?: number;
  /** What the model wrote behind the prompt, [SEP] included where the caption ended. */
  tokens?: readonly ScoredToken[];
}

export interface ScoredToken {
  id: number;
  /** A word or a piece of one, `##` in front of a piece that goes on. */
  token: string;
  /** As the model gives it: before penalties, temperature and nucleus. */
  logProbability: number;
}

/** Captions of any captioning model, scored where it can. */
export async function scoredCaptions(
  model: CaptionModel,
  samples: PromptedSamples,
  options?: GenerateOptions,
): Promise<ScoredCaption[]> {
  if (model.generateScored) return model.generateScored(samples, options);
  return (await model.generate(samples, options)).map((caption) => ({ caption }));
}

/** A model that compares images and texts by features: rows of length 1, whose products are cosines. */
export interface FeatureModel extends Model {
  /** @param image [B, H, W, 3], normalised; returns [B, E], which the caller owns */
  imageFeatures(image: tf.Tensor4D): tf.Tensor2D;
  /** @returns [T, E], which the caller owns */
  textFeatures(texts: readonly string[]): tf.Tensor2D;
}

/** A model that tells too, reading a text beside an image, whether they belong together. */
export interface MatchModel extends FeatureModel {
  /** All images with all texts. @param image [B, H, W, 3], normalised */
  matchPairs(image: tf.Tensor4D, texts: readonly string[]): Matches;
}

/** How questions are answered; LAVIS's names and defaults. */
export interface AnswerOptions {
  /** Choose among `answerList`, or write. */
  inferenceMethod?: 'rank' | 'generate';
  answerList?: readonly string[];
  /** How many answers, those that begin likeliest, are compared as a whole; at most as many as there are. */
  numAnsCandidates?: number;
  /** 1 is greedy search. */
  numBeams?: number;
  /** Lengths count [DEC]. */
  maxLength?: number;
  minLength?: number;
}

/** Images, or what `encodeImages` made of them: several questions are asked of one encoding. */
export interface QuestionSamples extends SeenImages {
  /** The questions; one alone may be a string. */
  text_input?: readonly string[] | string;
}

/** A model that answers questions about images. */
export interface QuestionModel extends Model {
  /** What questions are read beside, [B, N, D]; the caller owns it. @param image [B, H, W, 3], normalised */
  encodeImages?(image: tf.Tensor4D): tf.Tensor3D;
  /** An answer to each question. */
  predictAnswers(samples: QuestionSamples, options?: AnswerOptions): Promise<string[]>;
}

/** The model as one that describes images. @throws ConfigError where it does not. */
export const captionModel = (model: Model): CaptionModel =>
  able<CaptionModel>(model, 'the model writes no captions', {
    methods: { generate: 'samples, options' },
    such: 'blip_caption',
  });

/** The model as one that compares images and texts. @throws ConfigError where it does not. */
export const featureModel = (model: Model): FeatureModel =>
  able<FeatureModel>(model, 'the model does not compare images with texts', {
    methods: { imageFeatures: 'image', textFeatures: 'texts' },
    such: 'blip_image_text_matching, blip_feature_extractor, blip_retrieval or blip_pretrain',
  });

/** The model as one that matches texts with images. @throws ConfigError where it does not. */
export const matchModel = (model: Model): MatchModel =>
  able<MatchModel>(model, 'the model does not match texts with images', {
    methods: { matchPairs: 'image, texts' },
    such: 'blip_image_text_matching, blip_retrieval or blip_pretrain',
  });

/** The model as one that answers questions. @throws ConfigError where it does not. */
export const questionModel = (model: Model): QuestionModel =>
  able<QuestionModel>(model, 'the model answers no questions', {
    methods: { predictAnswers: 'samples, options' },
    such: 'blip_vqa',
  });

/** What a use needs: methods with their parameters, and the architectures that have them. */
interface Needed<M extends Model> {
  methods: Partial<Record<keyof M & string, string>>;
  such: string;
}

function able<M extends Model>(model: Model, headline: string, { methods, such }: Needed<M>): M {
  const isThere = (name: string) => typeof (model as unknown as Record<string, unknown>)[name] === 'function';
  const missing = Object.keys(methods).filter((name) => !isThere(name));
  if (missing.length === 0) return model as M;
  const shown = Object.entries(methods).map(([name, parameters]) => `${name}(${parameters})`);
  throw new ConfigError(headline, {
    found: `${model.constructor.name}, without ${missing.map((name) => `${name}()`).join(' and ')}`,
    allowed: `a model with ${shown.join(' and ')}: ${such}`,
  });
}
