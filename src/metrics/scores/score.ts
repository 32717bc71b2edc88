import { DataError } from '../../common/errors.js';
import { bleu } from './bleu.js';
import { cider } from './cider.js';
import { rougeL } from './rouge.js';
import { countNgrams, type ImageId, type TokenizedImage } from './tokens.js';

/** Metric name -> value: Bleu_1 … Bleu_4, ROUGE_L, CIDEr, and what else was asked for. */
export type Scores = Record<string, number>;

export interface TokenizedScores {
  /** Over the corpus, with `agg_metrics` = CIDEr + Bleu_4, by which the best checkpoint is chosen. */
  readonly overall: Scores;
  readonly perImage: Map<ImageId, Scores>;
}

/**
 * Scores captions that are tokenized already: strings of tokens with single blanks between.
 * @param references each image's references, one or more
 * @param hypotheses each image's one caption; only these images are scored
 * @throws DataError when an image has no reference or not exactly one caption
 */
export function scoreTokenized(
  references: ReadonlyMap<ImageId, readonly string[]>,
  hypotheses: ReadonlyMap<ImageId, readonly string[]>,
): TokenizedScores {
  const ids = [...hypotheses.keys()];
  const metrics = scoreImages(pairs(ids, references, hypotheses));
  return {
    overall: overallScores(metrics.map(({ name, corpus }) => [name, corpus])),
    perImage: new Map(
      ids.map((id, i) => [id, Object.fromEntries(metrics.map(({ name, perImage }) => [name, perImage[i]]))]),
    ),
  };
}

/** The metrics that need nothing but the captions, in the reference's order. */
export function scoreImages(images: readonly TokenizedImage[]) {
  const counted = countNgrams(images);
  return [
    ...bleu(counted).map((score, n) => ({ name: `Bleu_${n + 1}`, ...score })),
    { name: 'ROUGE_L', ...rougeL(images) },
    { name: 'CIDEr', ...cider(counted) },
  ];
}

export function overallScores(metrics: [string, number][]): Scores {
  const overall: Scores = Object.fromEntries(metrics);
  overall.agg_metrics = overall.CIDEr + overall.Bleu_4;
  return overall;
}

function pairs(
  ids: ImageId[],
  references: ReadonlyMap<ImageId, readonly string[]>,
  hypotheses: ReadonlyMap<ImageId, readonly string[]>,
): TokenizedImage[] {
  if (ids.length === 0) throw new DataError('there are no captions to score');
  return ids.map((id) => {
    const captions = hypotheses.get(id)!;
    const wanted = references.get(id) ?? [];
    if (captions.length !== 1) {
      throw new DataError(`image ${id} has ${captions.length} captions to score`, { allowed: 'exactly one' });
    }
    if (wanted.length === 0) {
      throw new DataError(`image ${id} has no reference caption`, {
        allowed: 'one reference or more an image',
      });
    }
    return { references: wanted, hypothesis: captions[0] };
  });
}
