import type { MetricScore, TokenizedImage } from './tokens.js';

/** How much more recall counts than precision. */
const BETA = 1.2;

/**
 * ROUGE-L: the longest common subsequence's F-measure; the best precision and the best recall may come from
 * two references. Source: Lin 2004, as pycocoevalcap computes it.
 */
export function rougeL(images: readonly TokenizedImage[]): MetricScore {
  const perImage = images.map(({ references, hypothesis }) => {
    const tokens = hypothesis.split(' ');
    let precision = 0;
    let recall = 0;
    for (const reference of references) {
      const wanted = reference.split(' ');
      const common = commonSubsequence(tokens, wanted);
      precision = Math.max(precision, common / tokens.length);
      recall = Math.max(recall, common / wanted.length);
    }
    if (precision === 0 || recall === 0) return 0;
    return ((1 + BETA ** 2) * precision * recall) / (recall + BETA ** 2 * precision);
  });
  return { corpus: mean(perImage), perImage };
}

function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  const row = new Uint32Array(b.length + 1);
  for (const token of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j];
      row[j] = token === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row[b.length];
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
