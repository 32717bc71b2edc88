import { Rng } from '../../common/random.js';
import type { tf } from '../../engine/index.js';
import type { TextDecoder } from '../med.js';
import { BeamSearch, type Hypothesis } from './beam_search.js';
import type { ResolvedOptions } from './options.js';
import { bestIndices, minimumLength, repetitionPenalty, softmax, temperature, topK, topP } from './scores.js';
import { DecodingSession } from './session.js';

/** The reference's repetition penalty when sampling, whatever the options say. */
const SAMPLING_PENALTY = 1.1;

export interface SpecialIds {
  eos: number;
  pad: number;
}

/** What a generation gives; one entry a caption, the captions of an image next to each other. */
export interface Generated {
  /** Prompt, words, the end token where there is one, padded to the longest. */
  sequences: number[][];
  /** Beam search: the scores of the captions; null otherwise. */
  scores: number[] | null;
  /** Beam search: every finished text, best first; null otherwise. */
  hypotheses: Hypothesis[][] | null;
}

/**
 * Continues a prompt for each image.
 * @param imageEmbeds [B, N, D]
 * @param prompt token ids, [DEC] first
 */
export async function generateIds(
  decoder: TextDecoder,
  imageEmbeds: tf.Tensor,
  prompt: readonly number[],
  special: SpecialIds,
  options: ResolvedOptions,
): Promise<Generated> {
  const searches = !options.useNucleusSampling && options.numBeams > 1;
  const session = new DecodingSession(decoder, imageEmbeds, { logProbabilities: searches });
  try {
    if (searches) {
      return await beamSearch(session, imageEmbeds.shape[0], prompt, special, options);
    }
    return await pickWords(session, imageEmbeds.shape[0], prompt, special, options);
  } finally {
    session.dispose();
  }
}

async function beamSearch(
  session: DecodingSession,
  images: number,
  prompt: readonly number[],
  { eos, pad }: SpecialIds,
  options: ResolvedOptions,
): Promise<Generated> {
  const { numBeams, lengthPenalty, maxLength } = options;
  const searches = Array.from(
    { length: images },
    () => new BeamSearch(prompt, { numBeams, lengthPenalty, eos }),
  );
  let running = searches;
  let scores = (await session.begin(prompt)).map((row) => [row]);
  for (;;) {
    running.forEach((search, i) => {
      scores[i].forEach((row, beam) => {
        repetitionPenalty(row, search.texts[beam], options.repetitionPenalty);
        minimumLength(row, search.texts[beam].length, options.minLength, eos);
      });
      search.advance(search.candidates(scores[i]));
    });
    const alive = running.flatMap((search, i) => (search.done ? [] : [i]));
    if (alive.length === 0 || running[alive[0]].texts[0].length >= maxLength) break;
    session.keepImages(alive);
    running = alive.map((i) => running[i]);
    scores = await session.continue(
      running.map(({ texts }) => texts.map((ids) => ids.at(-1)!)),
      running.map(({ parents }) => parents),
    );
  }
  const finished = searches.map((search) => search.finish());
  // The search has no chance in it: more captions of an image are the same caption again.
  const hypotheses = finished.flatMap((found) => Array.from({ length: options.numCaptions }, () => found));
  const best = hypotheses.map(([first]) => first);
  return {
    sequences: padded(
      best.map(({ ids }) => (ids.length < maxLength ? [...ids, eos] : ids)),
      pad,
    ),
    scores: best.map(({ score }) => score),
    hypotheses,
  };
}

/** One text of greedy search or sampling. */
interface Text {
  ids: number[];
  done: boolean;
  rng: Rng;
}

async function pickWords(
  session: DecodingSession,
  images: number,
  prompt: readonly number[],
  { eos, pad }: SpecialIds,
  options: ResolvedOptions,
): Promise<Generated> {
  const sampled = options.useNucleusSampling;
  const captions = sampled ? options.numCaptions : 1;
  const texts: Text[][] = Array.from({ length: images }, (_, image) =>
    Array.from({ length: captions }, (_, caption) => ({
      ids: [...prompt],
      done: false,
      rng: Rng.of(options.seed ?? 0, 'caption', image, caption),
    })),
  );
  let running = texts;
  // The texts of an image begin with the same scores, each with a copy that it may change.
  let scores: Float32Array[][] = (await session.begin(prompt)).map((row) => texts[0].map(() => row.slice()));
  let parents = running.map((group) => group.map(() => 0));
  for (;;) {
    running.forEach((group, i) => {
      group.forEach((text, t) => {
        const token = text.done ? pad : pickWord(scores[i][t], text, eos, options);
        text.ids.push(token);
        text.done ||= token === eos;
      });
    });
    const alive = running.flatMap((group, i) => (group.every(({ done }) => done) ? [] : [i]));
    if (alive.length === 0 || running[alive[0]][0].ids.length >= options.maxLength) break;
    session.keepImages(alive);
    running = alive.map((i) => running[i]);
    parents = alive.map((i) => parents[i]);
    scores = await session.continue(
      running.map((group) => group.map(({ ids }) => ids.at(-1)!)),
      parents,
    );
    parents = running.map((group) => group.map((_, t) => t));
  }
  const rows = texts.flatMap((group) => {
    const copies = options.numCaptions / captions;
    return group.flatMap(({ ids }) => Array.from({ length: copies }, () => ids));
  });
  return { sequences: padded(rows, pad), scores: null, hypotheses: null };
}

function pickWord(scores: Float32Array, { ids, rng }: Text, eos: number, options: ResolvedOptions): number {
  if (!options.useNucleusSampling) {
    repetitionPenalty(scores, ids, options.repetitionPenalty);
    minimumLength(scores, ids.length, options.minLength, eos);
    return bestIndices(scores, 1)[0];
  }
  return draw(nucleus(scores, ids, eos, options), rng);
}

/** The probabilities that sampling draws the next word from. */
export function nucleus(
  scores: Float32Array,
  ids: readonly number[],
  eos: number,
  options: Pick<ResolvedOptions, 'minLength' | 'temperature' | 'topK' | 'topP'>,
): Float32Array {
  repetitionPenalty(scores, ids, SAMPLING_PENALTY);
  minimumLength(scores, ids.length, options.minLength, eos);
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

/** Rows filled up to the longest. */
function padded(rows: number[][], pad: number): number[][] {
  const longest = Math.max(...rows.map((ids) => ids.length));
  return rows.map((ids) => Array.from({ length: longest }, (_, i) => ids[i] ?? pad));
}
