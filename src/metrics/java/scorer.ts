import type { ImageId, TokenizedImage } from '../scores/tokens.js';

/** A metric that an outside program computes. */
export interface Scorer {
  readonly name: string;
  /** @returns the corpus score and one value (or record of values) an image, in order. */
  score(
    ids: readonly ImageId[],
    images: readonly TokenizedImage[],
  ): Promise<{ corpus: number; perImage: readonly unknown[] }>;
}
