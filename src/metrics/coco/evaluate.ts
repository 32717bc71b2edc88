import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { counted, some } from '../../common/words.js';
import { javaScorers, type Scorer } from '../java/index.js';
import { overallScores, type Scores, scoreImages } from '../scores/score.js';
import type { ImageId, TokenizedImage } from '../scores/tokens.js';
import { ptbTokenizeLines } from '../tokenizer/ptb.js';
import {
  type CaptionReferences,
  type CaptionResult,
  type CaptionsById,
  idKey,
  readReferences,
  readResults,
} from './files.js';

/** An image's id and its value of every metric. */
export type ImageScores = { image_id: ImageId } & Record<string, unknown>;

export interface CocoScores {
  /** Bleu_1 … Bleu_4, METEOR, ROUGE_L, CIDEr, SPICE (the Java ones where they are there), agg_metrics. */
  readonly overall: Scores;
  /** One entry an evaluated image, in the ground truth's order. */
  readonly evalImgs: ImageScores[];
  /** The same by image id, as the ground truth writes it. */
  readonly perImage: Map<ImageId, ImageScores>;
}

export interface CocoOptions {
  /** Further metrics; by default METEOR and SPICE where Java and their archives are there and work. */
  readonly scorers?: readonly Scorer[];
}

/** Reference order of the metrics in reports. */
/** By their names, in the reference's order. */
export const CAPTION_METRICS = [
  'Bleu_1',
  'Bleu_2',
  'Bleu_3',
  'Bleu_4',
  'METEOR',
  'ROUGE_L',
  'CIDEr',
  'SPICE',
];

/**
 * Scores generated captions against COCO annotations, as pycocoevalcap's COCOEvalCap does: PTB tokens, then
 * every metric. Only the images that have a result are evaluated.
 * @param results a result file, or its entries; each is checked
 * @param groundTruth an annotation file, or its value
 * @throws DataError for unreadable files, ids that the ground truth lacks, images with no reference or two results
 */
export async function cocoEvaluate(
  results: string | readonly (CaptionResult | Readonly<Record<string, unknown>>)[],
  groundTruth: CaptionReferences,
  options: CocoOptions = {},
): Promise<CocoScores> {
  const generated = byImage(await readResults(results));
  const references = await readReferences(groundTruth);
  const ids = evaluatedIds(generated, references);
  const images = tokenize(ids, generated, references);

  const metrics = new Map<string, { corpus: number; perImage: readonly unknown[] }>();
  for (const { name, corpus, perImage } of scoreImages(images)) metrics.set(name, { corpus, perImage });
  const originalIds = ids.map((id) => references.get(id)!.id);
  for (const scorer of options.scorers ?? javaScorers()) {
    try {
      metrics.set(scorer.name, await scorer.score(originalIds, images));
    } catch (thrown) {
      // Nobody asked for it by name: a program that fails must not end the run that it would only describe.
      if (options.scorers || !(thrown instanceof DataError)) throw thrown;
      log.warn(`${scorer.name} is left out. ${thrown.message}`);
    }
  }

  const names = [...metrics.keys()].sort((a, b) => CAPTION_METRICS.indexOf(a) - CAPTION_METRICS.indexOf(b));
  const evalImgs = originalIds.map((image_id, i): ImageScores => {
    const values = names.map((name) => [name, metrics.get(name)!.perImage[i]]);
    return { image_id, ...Object.fromEntries(values) };
  });
  return {
    overall: overallScores(names.map((name) => [name, metrics.get(name)!.corpus])),
    evalImgs,
    perImage: new Map(evalImgs.map((scores) => [scores.image_id, scores])),
  };
}

function byImage(results: readonly CaptionResult[]): Map<string, string> {
  if (results.length === 0) throw new DataError('there are no captions to evaluate');
  const captions = new Map<string, string>();
  const repeated = new Set<string>();
  for (const { image_id, caption } of results) {
    const id = idKey(image_id);
    if (captions.has(id)) repeated.add(id);
    else captions.set(id, caption);
  }
  if (repeated.size > 0) {
    throw new DataError(`${counted(repeated.size, 'image')} with more than one result`, {
      found: some([...repeated]),
      allowed: 'one caption an image',
    });
  }
  return captions;
}

function evaluatedIds(generated: Map<string, string>, references: CaptionsById): string[] {
  const unknown = [...generated.keys()].filter((id) => !references.has(id));
  if (unknown.length > 0) {
    throw new DataError(`${counted(unknown.length, 'result')} of ${generated.size} not in the ground truth`, {
      found: `image ids ${some(unknown)}`,
      allowed: `ids of the ground truth's ${references.size} images: ${some([...references.keys()])}`,
      help: 'check that the results and the annotation file are of the same split',
    });
  }
  const ids = [...references.keys()].filter((id) => generated.has(id));
  const bare = ids.filter((id) => references.get(id)!.captions.length === 0);
  if (bare.length > 0) {
    throw new DataError(`${counted(bare.length, 'image')} without a reference caption`, {
      found: `image ids ${some(bare)}`,
      allowed: 'one annotation or more an image',
    });
  }
  const left = references.size - ids.length;
  if (left > 0)
    log.warn(`${left} of the ground truth's ${references.size} images have no result and are left out`);
  return ids;
}

/** References first, then results, each list as one text: what the reference tokenizes. */
function tokenize(
  ids: readonly string[],
  generated: Map<string, string>,
  references: CaptionsById,
): TokenizedImage[] {
  const lines = ids.flatMap((id) => references.get(id)!.captions);
  const tokenized = ptbTokenizeLines(lines).map((tokens) => tokens.join(' '));
  const hypotheses = ptbTokenizeLines(ids.map((id) => generated.get(id)!));
  let at = 0;
  return ids.map((id, i) => ({
    references: tokenized.slice(at, (at += references.get(id)!.captions.length)),
    hypothesis: hypotheses[i].join(' '),
  }));
}
