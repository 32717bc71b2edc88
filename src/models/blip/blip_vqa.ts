import { ConfigError, DataError } from '../../common/errors.js';
import type { Rng } from '../../common/random.js';
import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { tf } from '../../engine/index.js';
import { type Generated, generateIds } from '../generation/generate.js';
import { resolveOptions } from '../generation/options.js';
import { bestIndices } from '../generation/scores.js';
import { embedsOf, imageEncodingOf, seenImages } from '../image_embeds.js';
import { TextDecoder } from '../med/decoder.js';
import { TextEncoder } from '../med/encoder.js';
import type { ForwardPasses, ImageEncoding } from '../model.js';
import { type EncodedTexts, withFirstToken } from '../tokenizer/tokenizer.js';
import type { AnswerOptions, QuestionModel, QuestionSamples } from '../uses.js';
import { VisionTransformer } from '../vit.js';
import { BlipBase, type BlipParts } from './blip_base.js';
import { blipSchema, usualWords } from './config.js';
import { checkTexts, IGNORED, textLosses } from './losses.js';

/** The keys of the `model` section. */
const blipVqaSchema = blipSchema.extend({
  image_size: key(types.natural, 480, 'Image size in pixels; the processors have to agree.'),
  max_txt_len: key(types.natural, 35, 'Questions are truncated to this many tokens.'),
});

/** Questions with the answers that people gave. */
export interface AnsweredSamples extends QuestionSamples {
  /** Those of the first image, then those of the second, … */
  answers?: readonly string[];
  /** What each answer counts, such as the share of the people who gave it; 1 each where left out. */
  weight?: ArrayLike<number>;
  /** How many answers each image has; one each where left out. */
  n_answers?: ArrayLike<number>;
}

/** The caller owns all tensors. */
export interface BlipVqaOutput {
  loss: tf.Scalar;
  intermediateOutput: {
    /** [B, N, D] */
    imageEmbeds: tf.Tensor3D;
    /** The encoded questions, [B, T, D]. */
    encoderOutput: tf.Tensor3D;
    /** [answers, T, V] */
    decoderLogits: tf.Tensor3D;
    /** The sum over each answer's words, unweighted, [answers]. */
    answerLosses: tf.Tensor1D;
  };
}

export type GeneratedAnswerOptions = Pick<AnswerOptions, 'numBeams' | 'maxLength' | 'minLength'>;
export type RankedAnswerOptions = Pick<AnswerOptions, 'numAnsCandidates'> & {
  answerList: readonly string[];
};

/** Generated answers with their ids, and their scores where a beam search found them. */
export interface GeneratedAnswers extends Generated {
  answers: string[];
}

/** Answers chosen from a list. */
export interface RankedAnswers {
  answers: string[];
  /** For each question, the places of the answers that were compared, likeliest beginning first. */
  candidates: number[][];
  /** For each candidate, the log-probability of its words and of its end, labels smoothed by 0.1. */
  logProbabilities: number[][];
}

/** Rows of the decoder at once: a list of answers is compared part by part. */
const ROWS_AT_ONCE = 128;

/**
 * Answers questions about images: the question is read beside the image, the answer written beside the question.
 * Source: arXiv:2201.12086, section 5.3; lavis/models/blip_models/blip_vqa.py.
 */
@registry.registerModel('blip_vqa')
export class BlipVQA extends BlipBase implements QuestionModel {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    vqav2: 'configs/models/blip_vqav2.yaml',
    okvqa: 'configs/models/blip_vqa_okvqa.yaml',
    aokvqa: 'configs/models/blip_vqa_aokvqa.yaml',
    shapes: 'configs/models/blip_vqa_shapes.yaml',
  };
  static readonly configSchema = blipVqaSchema;

  readonly visualEncoder: VisionTransformer;
  readonly textEncoder: TextEncoder;
  readonly textDecoder: TextDecoder;
  readonly maxTextLength: number;

  /** @throws ConfigError where the question's states do not fit what the decoder attends to. */
  constructor(parts: BlipParts<typeof blipVqaSchema._output>) {
    super(parts);
    const { section, vit, med } = parts;
    if (med.hiddenSize !== vit.width) {
      throw new ConfigError('blip_vqa needs an image encoder as wide as its text encoder', {
        found: `${vit.width} (vit_type: ${section.vit_type}), ${med.hiddenSize} (hidden_size of med_config_path)`,
        allowed: 'the same width: the decoder attends to the question with keys and values of image width',
        help: 'model.vit_type=base with configs/models/med_config.json',
      });
    }
    this.visualEncoder = this.child('visual_encoder', new VisionTransformer(vit));
    this.textEncoder = this.child('text_encoder', new TextEncoder(med));
    this.textDecoder = this.child('text_decoder', new TextDecoder(med));
    this.maxTextLength = Math.min(section.max_txt_len, med.maxPositions);
  }

  /** Two answers to a question, of which most are a word or two. */
  passes(batch: number): ForwardPasses {
    const { visualEncoder, textEncoder, maxTextLength } = this;
    const asked = { rows: batch, words: usualWords(maxTextLength), besides: 1 };
    const answered = { rows: 2 * batch, words: 4, besides: 1, predicts: true };
    return { visualEncoder, med: textEncoder.config, images: batch, texts: [asked, answered] };
  }

  /** The loss of writing each answer to its question: a sum over its words, weighted, per image. */
  forward(samples: AnsweredSamples): BlipVqaOutput {
    const question = this.#readQuestions(samples);
    const { answers, weights, questionOf } = checkedAnswers(samples);
    const answer = this.#readAnswers(answers);
    return tf.tidy(() => {
      const { imageEmbeds, states } = this.#encodeQuestions(samples, question, this.noise);
      const beside = {
        states: tf.gather(states, tf.tensor1d(questionOf, 'int32')),
        statesMask: questionOf.map((row) => question.attentionMask[row]),
      };
      const decoderLogits = this.textDecoder.forward(answer, beside, this.noise);
      const answerLosses = textLosses(decoderLogits, this.#targets(answer));
      const loss: tf.Scalar = answerLosses.mul(tf.tensor1d(weights)).sum().div(states.shape[0]);
      const intermediateOutput = { imageEmbeds, encoderOutput: states, decoderLogits, answerLosses };
      return { loss, intermediateOutput };
    });
  }

  /**
   * An answer to each question. Source: lavis/models/blip_models/blip_vqa.py, predict_answers.
   * @throws ConfigError for a wrong option, and for a ranking without a list of answers
   */
  async predictAnswers(samples: QuestionSamples, options: AnswerOptions = {}): Promise<string[]> {
    const { inferenceMethod: method = 'rank', answerList, numAnsCandidates } = options;
    if (method === 'generate') return (await this.generateAnswers(samples, options)).answers;
    if (method !== 'rank') {
      throw new ConfigError('inference_method is not one of the two', {
        found: `'${method}'`,
        allowed: 'rank, generate',
      });
    }
    if (!answerList?.length) {
      throw new ConfigError('ranking needs a list of answers to choose from', {
        found: answerList ? 'an empty list' : 'none',
        help: 'answerList, or inferenceMethod: generate (run.inference_method=generate)',
      });
    }
    return (await this.rankAnswers(samples, { answerList, numAnsCandidates })).answers;
  }

  /**
   * Writes an answer to each question. Padding of shorter questions is attended to, as in the reference: an answer
   * may depend on the batch that its question is in.
   */
  async generateAnswers(
    samples: QuestionSamples,
    { numBeams = 3, maxLength = 10, minLength = 1 }: GeneratedAnswerOptions = {},
  ): Promise<GeneratedAnswers> {
    const { bosId, sepId, padId } = this.tokenizer;
    const given = { numBeams, maxLength, minLength };
    const options = resolveOptions(given, 1, this.textDecoder.config);
    const states = this.#questionStates(samples);
    try {
      const prompts = Array.from({ length: states.shape[0] }, () => [bosId]);
      const special = { eos: sepId, pad: padId };
      const generated = await generateIds(this.textDecoder, { states, prompts }, special, options);
      return { ...generated, answers: generated.sequences.map((ids) => this.tokenizer.decode(ids)) };
    } finally {
      states.dispose();
    }
  }

  /**
   * Chooses an answer to each question: of those whose first token is likeliest, the one whose words are likeliest
   * together, however many they are.
   */
  async rankAnswers(
    samples: QuestionSamples,
    { answerList, numAnsCandidates = 128 }: RankedAnswerOptions,
  ): Promise<RankedAnswers> {
    if (!Number.isInteger(numAnsCandidates) || numAnsCandidates < 1) {
      throw new ConfigError('num_ans_candidates is out of range', {
        found: `${numAnsCandidates}`,
        allowed: 'a whole number, at least 1',
      });
    }
    const question = this.#readQuestions(samples);
    const answer = this.#readAnswers(answerList);
    const states = this.#questionStates(samples);
    const ranked: RankedAnswers = { answers: [], candidates: [], logProbabilities: [] };
    try {
      const first = await this.#firstWords(states, question);
      for (const [row, probabilities] of first.entries()) {
        const ofAnswers = Float32Array.from(answer.inputIds, ([, id]) => probabilities[id]);
        const candidates = bestIndices(ofAnswers, Math.min(numAnsCandidates, answerList.length));
        const scores = await this.#scores(states, question, row, selected(answer, candidates));
        ranked.candidates.push(candidates);
        ranked.logProbabilities.push(scores);
        ranked.answers.push(answerList[candidates[scores.indexOf(Math.max(...scores))]]);
      }
      return ranked;
    } finally {
      states.dispose();
    }
  }

  /** The probabilities of all words behind [DEC], [V] for each question. */
  async #firstWords(states: tf.Tensor, { attentionMask }: EncodedTexts): Promise<Float32Array[]> {
    const start = attentionMask.map(() => [this.tokenizer.bosId]);
    const text = { inputIds: start, attentionMask: start.map(() => [1]) };
    const probabilities = tf.tidy(() =>
      tf.softmax(this.textDecoder.forward(text, { states, statesMask: attentionMask }).squeeze([1])),
    );
    const values = (await probabilities.data()) as Float32Array;
    const words = probabilities.shape[1]!;
    probabilities.dispose();
    return start.map((_, row) => values.slice(row * words, (row + 1) * words));
  }

  /** The log-probability of each answer to one question. */
  async #scores(states: tf.Tensor, question: EncodedTexts, row: number, answers: EncodedTexts) {
    const scores: number[] = [];
    for (let at = 0; at < answers.inputIds.length; at += ROWS_AT_ONCE) {
      const rows = answers.inputIds.slice(at, at + ROWS_AT_ONCE).map((_, i) => at + i);
      const text = selected(answers, rows);
      const losses = tf.tidy(() => {
        const beside = {
          states: tf.tile(states.slice([row, 0, 0], [1, -1, -1]), [rows.length, 1, 1]),
          statesMask: rows.map(() => question.attentionMask[row]),
        };
        return textLosses(this.textDecoder.forward(text, beside), this.#targets(text));
      });
      scores.push(...Array.from(await losses.data(), (loss) => -loss));
      losses.dispose();
    }
    return scores;
  }

  imageEncoding(): ImageEncoding {
    return imageEncodingOf(this.visualEncoder);
  }

  encodeImages(image: tf.Tensor4D): tf.Tensor3D {
    return this.imageEncoding().encode(image);
  }

  /** Questions beside their images, [B, T, D]. The caller owns them. */
  #questionStates(samples: QuestionSamples): tf.Tensor3D {
    const question = this.#readQuestions(samples);
    return tf.tidy(() => this.#encodeQuestions(samples, question).states);
  }

  #encodeQuestions(seen: QuestionSamples, question: EncodedTexts, noise?: Rng) {
    const imageEmbeds = embedsOf(this.visualEncoder, seen, noise);
    return { imageEmbeds, states: this.textEncoder.forward(question, { states: imageEmbeds }, noise) };
  }

  /** @throws RangeError without images */
  #readQuestions({ text_input: texts = [], ...seen }: QuestionSamples): EncodedTexts {
    const questions = typeof texts === 'string' ? [texts] : texts;
    checkTexts(seenImages(seen), questions);
    return withFirstToken(this.tokenizer.encodeBatch(questions, this.maxTextLength), this.tokenizer.encId);
  }

  /** Answers are cut by nothing but the decoder's positions. */
  #readAnswers(answers: readonly string[]): EncodedTexts {
    const { maxPositions } = this.textDecoder.config;
    return withFirstToken(this.tokenizer.encodeBatch(answers, maxPositions), this.tokenizer.bosId);
  }

  #targets({ inputIds }: EncodedTexts): number[][] {
    return inputIds.map((ids) => ids.map((id) => (id === this.tokenizer.padId ? IGNORED : id)));
  }
}

/** Some of the texts, without the padding that only others need. */
function selected({ inputIds, attentionMask }: EncodedTexts, rows: readonly number[]): EncodedTexts {
  const length = Math.max(...rows.map((row) => attentionMask[row].filter(Boolean).length));
  return {
    inputIds: rows.map((row) => inputIds[row].slice(0, length)),
    attentionMask: rows.map((row) => attentionMask[row].slice(0, length)),
  };
}

/**
 * The answers of a batch, each with its weight and the place of its question.
 * @throws DataError where they, their weights and their counts do not go together
 */
function checkedAnswers({ answers = [], weight, n_answers: counts, ...seen }: AnsweredSamples) {
  const [batch] = seenImages(seen).shape;
  const perImage = counts ? Array.from(counts) : new Array<number>(batch).fill(1);
  const weights = weight ? Array.from(weight) : answers.map(() => 1);
  const total = perImage.reduce((sum, count) => sum + count, 0);
  if (perImage.length !== batch || total !== answers.length || weights.length !== answers.length) {
    throw new DataError('answers, their weights and their counts do not go together', {
      found: `${batch} images, ${perImage.length} counts in n_answers that make ${total}, ${answers.length} answers, ${weights.length} weights`,
      allowed: 'a count for each image, a weight for each answer, as many answers as the counts make',
    });
  }
  if (answers.length === 0) throw new DataError('a batch has no answers to learn from');
  const questionOf = perImage.flatMap((count, row) => new Array<number>(count).fill(row));
  return { answers, weights, questionOf };
}
