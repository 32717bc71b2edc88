import { Rng } from '../../common/random.js';
import { tf } from '../../engine/index.js';
import type { TextDecoder } from '../med/decoder.js';
import type { ReadBeside } from '../med/encoder.js';
import { BeamSearch, type Hypothesis } from './beam_search.js';
import type { ResolvedOptions } from './options.js';
import {
  banWords,
  bestIndices,
  logSumOfExp,
  minimumLength,
  noRepeatNgrams,
  repetitionPenalty,
  softmax,
  temperature,
  topK,
  topP,
} from './scores.js';
import { DecodingSession } from './session.js';

export interface SpecialIds {
  eos: number;
  pad: number;
  /** The tokens of each word that is not to be written. */
  badWords?: readonly (readonly number[])[];
}

/** What a generation gives; one entry a caption, the captions of an image next to each other. */
export interface Generated {
  /** Prompt, words, the end token where there is one, padded to the longest. */
  sequences: number[][];
  /** Beam search: the scores of the captions; null otherwise. */
  scores: number[] | null;
  /** Beam search: every finished text, best first; null otherwise. */
  hypotheses: Hypothesis[][] | null;
  /**
   * Of each caption's words behind its prompt, the end token included where there is one: the natural logarithm of
   * the probability that the model gives it, before penalties, temperature and nucleus.
   */
  logProbabilities: number[][];
}

/** What the texts of a generation are written beside and begin with. */
export interface GenerationInputs extends ReadBeside {
  /** Token ids, [DEC] first: one prompt for each sample, of any lengths. */
  prompts: readonly (readonly number[])[];
  /** Hears after each word what is written so far, and is waited for; what it throws ends the generation. */
  onIds?: (texts: readonly WrittenIds[]) => void | Promise<void>;
}

/** A text that is being written, its prompt in front; its places are those of `WrittenText`. */
export interface WrittenIds {
  image: number;
  caption: number;
  ids: readonly number[];
}

/** Continues a prompt for each sample. */
export async function generateIds(
  decoder: TextDecoder,
  inputs: GenerationInputs,
  special: SpecialIds,
  options: ResolvedOptions,
): Promise<Generated> {
  const { prompts } = inputs;
  const lengths = [...new Set(prompts.map((prompt) => prompt.length))];
  const samples = prompts.map((_, sample) => sample);
  if (lengths.length === 1) return generateTogether(decoder, inputs, samples, special, options);
  // Words stand at one position at a time: texts whose prompts differ in length grow one group after the other.
  const found: Generated[] = [];
  const order: number[] = [];
  for (const length of lengths) {
    const group = samples.filter((sample) => prompts[sample].length === length);
    const some = selectSamples(inputs, group);
    try {
      found.push(await generateTogether(decoder, some, group, special, options));
    } finally {
      some.states.dispose();
    }
    order.push(...group);
  }
  return inOrder(found, order, options.numCaptions * options.numReturnSequences, special.pad);
}

function selectSamples({ states, statesMask, prompts, onIds }: GenerationInputs, samples: number[]) {
  return {
    onIds,
    states: tf.tidy(() => tf.gather(states, tf.tensor1d(samples, 'int32'))),
    statesMask: statesMask && samples.map((sample) => statesMask[sample]),
    prompts: samples.map((sample) => prompts[sample]),
  };
}

/** What several generations gave, as if it had been one. @param order the samples, one generation's after the other's */
function inOrder(found: Generated[], order: number[], captions: number, pad: number): Generated {
  const rows = order.flatMap((sample) =>
    Array.from({ length: captions }, (_, caption) => sample * captions + caption),
  );
  const placed = <T>(parts: (T[] | null)[]): T[] | null => {
    const all: T[] = [];
    let at = 0;
    for (const part of parts) {
      if (part === null) return null;
      for (const entry of part) all[rows[at++]] = entry;
    }
    return all;
  };
  return {
    sequences: padded(placed(found.map(({ sequences }) => sequences))!, pad),
    scores: placed(found.map(({ scores }) => scores)),
    hypotheses: placed(found.map(({ hypotheses }) => hypotheses)),
    logProbabilities: placed(found.map(({ logProbabilities }) => logProbabilities))!,
  };
}

/** @param samples the numbers of the samples among those of the whole generation, which seeds go by */
async function generateTogether(
  decoder: TextDecoder,
  { prompts, onIds, ...beside }: GenerationInputs,
  samples: readonly number[],
  special: SpecialIds,
  options: ResolvedOptions,
): Promise<Generated> {
  const searches = !options.useNucleusSampling && options.numBeams > 1;
  const session = new DecodingSession(decoder, beside, { logProbabilities: searches });
  try {
    const texts = { prompts, samples, onIds };
    if (searches) return await beamSearch(session, texts, special, options);
    return await pickWords(session, texts, special, options);
  } finally {
    session.dispose();
  }
}

interface Texts extends Pick<GenerationInputs, 'prompts' | 'onIds'> {
  /** The numbers of the samples among those of the whole generation. */
  samples: readonly number[];
}

async function beamSearch(
  session: DecodingSession,
  { prompts, samples, onIds }: Texts,
  special: SpecialIds,
  options: ResolvedOptions,
): Promise<Generated> {
  const { eos, pad } = special;
  const { numBeams, lengthPenalty, maxLength } = options;
  const searches = prompts.map((prompt) => new BeamSearch(prompt, { numBeams, lengthPenalty, eos }));
  let running = searches;
  let scores = (await session.prefill(prompts)).map((row) => [row]);
  for (;;) {
    running.forEach((search, i) => {
      // Other penalties only forbid words: what is left has the model's own score.
      const own = options.repetitionPenalty === 1 ? scores[i] : scores[i].map((row) => row.slice());
      scores[i].forEach((row, beam) => {
        penalties(row, search.texts[beam], special, options);
      });
      search.advance(search.candidates(scores[i], own));
    });
    await onIds?.(
      running.flatMap((search) =>
        search.texts
          .slice(0, options.numReturnSequences)
          .map((ids, caption) => ({ image: samples[searches.indexOf(search)], caption, ids })),
      ),
    );
    const alive = running.flatMap((search, i) => (search.done ? [] : [i]));
    if (alive.length === 0 || running[alive[0]].texts[0].length >= maxLength) break;
    session.keep(alive);
    running = alive.map((i) => running[i]);
    scores = await session.step(
      running.map(({ texts }) => texts.map((ids) => ids.at(-1)!)),
      running.map(({ parents }) => parents),
    );
  }
  const finished = searches.map((search) => search.finish());
  const { numCaptions, numReturnSequences } = options;
  // The search has no chance in it: an image that is captioned again gets the same captions again.
  const best = finished.flatMap((found) => copies(numCaptions, found.slice(0, numReturnSequences)));
  const hypotheses = finished.flatMap((found) => copies(numCaptions * numReturnSequences, [found]));
  return {
    sequences: padded(
      best.map(({ ids }) => (ids.length < maxLength ? [...ids, eos] : ids)),
      pad,
    ),
    scores: best.map(({ score }) => score),
    hypotheses,
    logProbabilities: best.map(({ logProbabilities }) => logProbabilities),
  };
}

/** One text of greedy search or sampling. */
interface Text {
  ids: number[];
  logProbabilities: number[];
  done: boolean;
  rng: Rng;
}

async function pickWords(
  session: DecodingSession,
  { prompts, samples, onIds }: Texts,
  special: SpecialIds,
  options: ResolvedOptions,
): Promise<Generated> {
  const { eos, pad } = special;
  const sampled = options.useNucleusSampling;
  const captions = sampled ? options.numCaptions * options.numReturnSequences : 1;
  const texts: Text[][] = prompts.map((prompt, i) =>
    Array.from({ length: captions }, (_, caption) => ({
      ids: [...prompt],
      logProbabilities: [],
      done: false,
      rng: Rng.of(options.seed ?? 0, 'caption', samples[i], caption),
    })),
  );
  let running = texts;
  // The texts of an image begin with the same scores, each with a copy that it may change.
  const first = await session.prefill(prompts);
  let scores: Float32Array[][] = first.map((row) => texts[0].map(() => row.slice()));
  let parents = running.map((group) => group.map(() => 0));
  for (;;) {
    running.forEach((group, i) => {
      group.forEach((text, t) => {
        if (text.done) {
          text.ids.push(pad);
          return;
        }
        const { token, logProbability } = pickWord(scores[i][t], text, special, options);
        text.ids.push(token);
        text.logProbabilities.push(logProbability);
        text.done = token === eos;
      });
    });
    await onIds?.(
      running.flatMap((group) =>
        group.map(({ ids }, caption) => ({ image: samples[texts.indexOf(group)], caption, ids })),
      ),
    );
    const alive = running.flatMap((group, i) => (group.every(({ done }) => done) ? [] : [i]));
    if (alive.length === 0 || running[alive[0]][0].ids.length >= options.maxLength) break;
    session.keep(alive);
    running = alive.map((i) => running[i]);
    parents = alive.map((i) => parents[i]);
    scores = await session.step(
      running.map((group) => group.map(({ ids }) => ids.at(-1)!)),
      parents,
    );
    parents = running.map((group) => group.map((_, t) => t));
  }
  const again = sampled ? 1 : options.numCaptions;
  const rows = texts.flatMap((group) => copies(again, group));
  return {
    sequences: padded(
      rows.map(({ ids }) => ids),
      pad,
    ),
    scores: null,
    hypotheses: null,
    logProbabilities: rows.map(({ logProbabilities }) => logProbabilities),
  };
}

function pickWord(
  scores: Float32Array,
  { ids, rng }: Text,
  special: SpecialIds,
  options: ResolvedOptions,
): { token: number; logProbability: number } {
  const own = scores.slice();
  const token = options.useNucleusSampling
    ? draw(nucleus(scores, ids, special, options), rng)
    : likeliest(scores, ids, special, options);
  return { token, logProbability: own[token] - logSumOfExp(own) };
}

function likeliest(...[scores, ids, special, options]: Parameters<typeof penalties>): number {
  penalties(scores, ids, special, options);
  return bestIndices(scores, 1)[0];
}

type Penalties = Pick<ResolvedOptions, 'minLength' | 'repetitionPenalty' | 'noRepeatNgramSize'>;

/** What every search changes of the next word's scores, in the order of transformers. */
function penalties(
  scores: Float32Array,
  ids: readonly number[],
  { eos, badWords = [] }: SpecialIds,
  options: Penalties,
): void {
  repetitionPenalty(scores, ids, options.repetitionPenalty);
  noRepeatNgrams(scores, ids, options.noRepeatNgramSize);
  banWords(scores, ids, badWords);
  minimumLength(scores, ids.length, options.minLength, eos);
}

/** The probabilities that sampling draws the next word from. */
export function nucleus(
  scores: Float32Array,
  ids: readonly number[],
  special: SpecialIds,
  options: Penalties & Pick<ResolvedOptions, 'temperature' | 'topK' | 'topP'>,
): Float32Array {
  penalties(scores, ids, special, options);
  temperature(scores, options.temperature);
  topK(scores, options.topK);
  topP(scores, options.topP);
  return softmax(scores);
}

function draw(probabilities: Float32Array, rng: Rng): number {
  let rest = rng.next() * probabilities.reduce((a, b) => a + b, 0);
  let last = 0;
  for (let i = 0; i < probabilities.length; i++) {
    if (probabilities[i] === 0) continue;
    last = i;
    rest -= probabilities[i];
    if (rest < 0) break;
  }
  return last;
}

/** A list so many times over. */
const copies = <T>(times: number, list: readonly T[]): T[] =>
  Array.from({ length: times }, () => list).flat();

/** Rows filled up to the longest. */
function padded(rows: number[][], pad: number): number[][] {
  const longest = Math.max(...rows.map((ids) => ids.length));
  return rows.map((ids) => Array.from({ length: longest }, (_, i) => ids[i] ?? pad));
}
