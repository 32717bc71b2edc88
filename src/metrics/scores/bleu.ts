import { type CountedImage, type MetricScore, ORDERS } from './tokens.js';

// The reference's guards against division by zero: no match scores almost 0, a perfect caption almost 1.
const SMALL = 1e-9;
const TINY = 1e-15;

/** Sums over captions from which a BLEU score is made. */
interface Tally {
  length: number;
  referenceLength: number;
  /** n-grams in the caption, for n = 1 … 4. */
  readonly guesses: number[];
  /** Those also found in a reference, clipped to the reference's count. */
  readonly matches: number[];
}

const emptyTally = (): Tally => ({
  length: 0,
  referenceLength: 0,
  guesses: new Array(ORDERS).fill(0),
  matches: new Array(ORDERS).fill(0),
});

/**
 * BLEU-1 … BLEU-4 over the corpus and for each image; the reference length is the closest one, the shorter
 * of two equally close. Source: Papineni et al. 2002, with pycocoevalcap's constants.
 */
export function bleu(images: readonly CountedImage[]): MetricScore[] {
  const tallies = images.map(tally);
  const total = emptyTally();
  for (const one of tallies) {
    total.length += one.length;
    total.referenceLength += one.referenceLength;
    for (let n = 0; n < ORDERS; n++) {
      total.guesses[n] += one.guesses[n];
      total.matches[n] += one.matches[n];
    }
  }
  const corpus = scores(total);
  const each = tallies.map(scores);
  return corpus.map((score, n) => ({ corpus: score, perImage: each.map((s) => s[n]) }));
}

function tally({ references, hypothesis }: CountedImage): Tally {
  const sums = emptyTally();
  sums.length = hypothesis.length;
  sums.referenceLength = closest(
    references.map((reference) => reference.length),
    hypothesis.length,
  );
  for (let n = 0; n < ORDERS; n++) {
    sums.guesses[n] = Math.max(0, hypothesis.length - n);
    for (const [gram, count] of hypothesis.orders[n]) {
      let most = 0;
      for (const reference of references) most = Math.max(most, reference.orders[n].get(gram) ?? 0);
      sums.matches[n] += Math.min(most, count);
    }
  }
  return sums;
}

function closest(lengths: readonly number[], wanted: number): number {
  return lengths.reduce((best, length) => {
    const nearer = Math.abs(length - wanted) - Math.abs(best - wanted);
    return nearer < 0 || (nearer === 0 && length < best) ? length : best;
  });
}

function scores({ length, referenceLength, guesses, matches }: Tally): number[] {
  const ratio = (length + TINY) / (referenceLength + SMALL);
  const brevity = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return matches.map((matched, n) => {
    product *= (matched + TINY) / (guesses[n] + SMALL);
    return product ** (1 / (n + 1)) * brevity;
  });
}
