import { mean } from './rouge.js';
import { type CountedImage, type MetricScore, type NgramCounts, ORDERS } from './tokens.js';

const SIGMA = 6;

/** A caption as tf-idf weights of its n-grams, per order. */
interface Vector {
  readonly weights: readonly Map<number, number>[];
  readonly norms: readonly number[];
  /** Bigrams of the caption: what the length penalty compares. */
  readonly bigrams: number;
}

/**
 * CIDEr-D without stemming, times 10. Document frequencies come from the references of this corpus: the
 * same caption scores differently among other images, and a single image scores 0.
 * Source: Vedantam et al. 2015, as pycocoevalcap computes it.
 */
export function cider(images: readonly CountedImage[]): MetricScore {
  const frequency = documentFrequency(images);
  const documents = Math.log(images.length);
  const rarity = (gram: number) => documents - Math.log(Math.max(1, frequency.get(gram) ?? 0));
  const perImage = images.map(({ references, hypothesis }) => {
    const candidate = vector(hypothesis, rarity);
    let sum = 0;
    for (const reference of references) sum += similarity(candidate, vector(reference, rarity));
    return (sum / ORDERS / references.length) * 10;
  });
  return { corpus: mean(perImage), perImage };
}

/** In how many images' references each n-gram is. */
function documentFrequency(images: readonly CountedImage[]): Map<number, number> {
  const frequency = new Map<number, number>();
  for (const { references } of images) {
    const seen = new Set(references.flatMap(({ orders }) => orders.flatMap((order) => [...order.keys()])));
    for (const gram of seen) frequency.set(gram, (frequency.get(gram) ?? 0) + 1);
  }
  return frequency;
}

function vector({ orders, length }: NgramCounts, rarity: (gram: number) => number): Vector {
  const weights = orders.map((order) => {
    const weighted = new Map<number, number>();
    for (const [gram, count] of order) weighted.set(gram, count * rarity(gram));
    return weighted;
  });
  const norms = weights.map((weighted) => {
    let squares = 0;
    for (const weight of weighted.values()) squares += weight * weight;
    return Math.sqrt(squares);
  });
  return { weights, norms, bigrams: Math.max(0, length - 1) };
}

/** Cosines of the four orders, summed; weights are clipped to the reference's, lengths should agree. */
function similarity(candidate: Vector, reference: Vector): number {
  const difference = candidate.bigrams - reference.bigrams;
  const penalty = Math.exp(-(difference ** 2) / (2 * SIGMA ** 2));
  let sum = 0;
  for (let n = 0; n < ORDERS; n++) {
    let product = 0;
    for (const [gram, weight] of candidate.weights[n]) {
      const wanted = reference.weights[n].get(gram);
      if (wanted !== undefined) product += Math.min(weight, wanted) * wanted;
    }
    const norms = candidate.norms[n] * reference.norms[n];
    sum += (norms === 0 ? product : product / norms) * penalty;
  }
  return sum;
}
