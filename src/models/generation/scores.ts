/**
 * Arithmetic on the scores of one text's next word, [V] float32, changed in place.
 * Source: transformers 4.20, generation_logits_process.py.
 */
export function repetitionPenalty(scores: Float32Array, ids: readonly number[], penalty: number): void {
  if (penalty === 1) return;
  for (const id of new Set(ids)) {
    const score = scores[id];
    scores[id] = score < 0 ? score * penalty : score / penalty;
  }
}

/** No end before the text has `minLength` tokens. */
export function minimumLength(scores: Float32Array, length: number, minLength: number, eos: number): void {
  if (length < minLength) scores[eos] = Number.NEGATIVE_INFINITY;
}

/** No word that would end a run of `size` words which the text has already. Source: NoRepeatNGramLogitsProcessor. */
export function noRepeatNgrams(scores: Float32Array, ids: readonly number[], size: number): void {
  if (size === 0) return;
  const start = ids.length - size + 1; // the words that the next one would follow
  for (let at = 0; at < start; at++) {
    let same = 0;
    while (same < size - 1 && ids[at + same] === ids[start + same]) same++;
    if (same === size - 1) scores[ids[at + size - 1]] = Number.NEGATIVE_INFINITY;
  }
}

/**
 * None of some words: of one with several tokens its last, where the text ends in those before it.
 * Source: NoBadWordsLogitsProcessor.
 */
export function banWords(
  scores: Float32Array,
  ids: readonly number[],
  words: readonly (readonly number[])[],
): void {
  for (const word of words) {
    const before = word.length - 1;
    if (before < 0 || before > ids.length) continue;
    let same = 0;
    while (same < before && word[same] === ids[ids.length - before + same]) same++;
    if (same === before) scores[word[before]] = Number.NEGATIVE_INFINITY;
  }
}

export function temperature(scores: Float32Array, degree: number): void {
  if (degree === 1) return;
  for (let i = 0; i < scores.length; i++) scores[i] /= degree;
}

/** Leaves the k best; those equal to the last of them stay too. */
export function topK(scores: Float32Array, k: number): void {
  if (k >= scores.length) return;
  const least = scores[bestIndices(scores, k)[k - 1]];
  for (let i = 0; i < scores.length; i++) if (scores[i] < least) scores[i] = Number.NEGATIVE_INFINITY;
}

/** Leaves the fewest words whose probabilities pass p, the one that passes it included. */
export function topP(scores: Float32Array, p: number): void {
  if (p >= 1) return;
  const finite: number[] = [];
  for (let i = 0; i < scores.length; i++) if (scores[i] > Number.NEGATIVE_INFINITY) finite.push(i);
  const order = finite.sort((a, b) => scores[b] - scores[a] || a - b);
  const probabilities = softmax(Float32Array.from(order, (i) => scores[i]));
  let cumulative = 0;
  order.forEach((index, rank) => {
    // The word after the one that passed p goes, and all below it.
    if (rank > 0 && cumulative > p) scores[index] = Number.NEGATIVE_INFINITY;
    cumulative = Math.fround(cumulative + probabilities[rank]);
  });
}

/** What is taken from scores to make logarithms of probabilities of them. */
export function logSumOfExp(scores: Float32Array): number {
  const best = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - best);
  return best + Math.log(sum);
}

export function softmax(scores: Float32Array): Float32Array {
  const best = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = Float32Array.from(scores, (score) => Math.exp(score - best));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** The indices of the k largest values, best first; of equal ones the lower index first. */
export function bestIndices(values: Float32Array, k: number): number[] {
  const best: number[] = []; // k is small against values.length
  const first = Math.min(k, values.length);
  for (let i = 0; i < first; i++) insertInOrder(best, values, i);
  const better = (from: number) => nextAbove(values, from, values[best[first - 1]]);
  for (let i = better(first); i < values.length; i = better(i + 1)) {
    best.pop();
    insertInOrder(best, values, i);
  }
  return best;
}

/** Where the next value above `least` is: a loop of its own runs four times as fast as one that also inserts. */
function nextAbove(values: Float32Array, from: number, least: number): number {
  let i = from;
  while (i < values.length && !(values[i] > least)) i++;
  return i;
}

function insertInOrder(best: number[], values: Float32Array, i: number): void {
  let at = best.length;
  while (at > 0 && values[i] > values[best[at - 1]]) at--;
  best.splice(at, 0, i);
}
