/** An image's id, as a ground-truth file gives it. */
export type ImageId = number | string;

/** One image: its references and the caption to be scored, each a string of tokens with single blanks. */
export interface TokenizedImage {
  readonly references: readonly string[];
  readonly hypothesis: string;
}

/** A metric over a corpus, and for each image in the corpus's order. */
export interface MetricScore {
  readonly corpus: number;
  readonly perImage: readonly number[];
}

/** Tokens between runs of white space, hard spaces included, as Python's `str.split()` finds them. */
const splitTokens = (caption: string): string[] => caption.split(/\s+/).filter(Boolean);

/** n-grams of 1 to 4 tokens, as small integers: counting and comparing them needs no strings. */
class NgramTable {
  readonly #tokens = new Map<string, number>();
  /** From (n-1-gram, token) to n-gram. */
  readonly #longer = new Map<number, number>();
  #size = 0;

  /** Each order's n-grams of a caption with their counts, in order of appearance. */
  count(caption: string): NgramCounts {
    const tokens = splitTokens(caption).map((token) => this.#token(token));
    const orders: Map<number, number>[] = [];
    let grams = tokens;
    for (let n = 1; n <= ORDERS; n++) {
      if (n > 1) {
        const shorter = grams;
        grams = tokens.slice(n - 1).map((token, i) => this.#extend(shorter[i], token));
      }
      const counts = new Map<number, number>();
      for (const gram of grams) counts.set(gram, (counts.get(gram) ?? 0) + 1);
      orders.push(counts);
    }
    return { length: tokens.length, orders };
  }

  #token(token: string): number {
    let id = this.#tokens.get(token);
    if (id === undefined) this.#tokens.set(token, (id = this.#size++));
    return id;
  }

  #extend(gram: number, token: number): number {
    const key = gram * 2 ** 26 + token; // Exact below 2^53: up to 2^27 n-grams over 2^26 tokens.
    let id = this.#longer.get(key);
    if (id === undefined) this.#longer.set(key, (id = this.#size++));
    return id;
  }
}

/** The longest n-grams that BLEU and CIDEr count. */
export const ORDERS = 4;

export interface NgramCounts {
  /** Tokens of the caption. */
  readonly length: number;
  /** orders[n - 1]: n-gram -> count. */
  readonly orders: readonly Map<number, number>[];
}

/** An image's captions, counted once for all metrics. */
export interface CountedImage {
  readonly references: readonly NgramCounts[];
  readonly hypothesis: NgramCounts;
}

export function countNgrams(images: readonly TokenizedImage[]): CountedImage[] {
  const table = new NgramTable();
  return images.map(({ references, hypothesis }) => ({
    references: references.map((reference) => table.count(reference)),
    hypothesis: table.count(hypothesis),
  }));
}

/** A metric that an outside program computes. */
export interface Scorer {
  readonly name: string;
  /** @returns the corpus score and one value (or record of values) an image, in order. */
  score(
    ids: readonly ImageId[],
    images: readonly TokenizedImage[],
  ): Promise<{ corpus: number; perImage: readonly unknown[] }>;
}
