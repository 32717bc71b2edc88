import { ConfigError, DataError } from '../../common/errors.js';
import type { Communicator } from '../../distributed/index.js';
import { tf } from '../../engine/index.js';
import { bestIndices } from '../generation/scores.js';
import { type EncodedTexts, withFirstToken } from '../tokenizer/tokenizer.js';
import { featureOf, firstToken } from './contrastive.js';
import type { Matcher } from './matching.js';

export interface SimMatrixSamples {
  /** [I, H, W, 3], normalised; or batches of them, each disposed of once it is encoded. */
  images: tf.Tensor4D | Iterable<tf.Tensor4D> | AsyncIterable<tf.Tensor4D>;
  texts: readonly string[];
}

export interface SimMatrixOptions {
  /** How many of each row to rerank, at most the row's length. */
  kTest: number;
  /** The ranks share the rows, and each ends with all of them. */
  comm?: Communicator;
  /** Told how many of this rank's rows are done: those of images, then those of texts. */
  onRow?(done: number, rows: number): void | Promise<void>;
}

/** Rows of scores, -100 where a pair was not reranked. */
export interface SimMatrices {
  /** [images][texts] */
  scoreI2t: number[][];
  /** [texts][images] */
  scoreT2i: number[][];
}

/** Texts are padded and cut to so many tokens, whatever max_txt_len says. */
const TEXT_LENGTH = 35;
const TEXTS_AT_ONCE = 256;
/** Image-text pairs per reranking batch. */
const PAIRS_AT_ONCE = 64;
/** The score of the others. */
const NOT_MATCHED = -100;

/** Source: lavis/models/blip_models/blip_retrieval.py, compute_sim_matrix. */
export async function simMatrix(
  matcher: Matcher,
  { images, texts }: SimMatrixSamples,
  { kTest, comm, onRow }: SimMatrixOptions,
): Promise<SimMatrices> {
  if (!Number.isInteger(kTest) || kTest < 1) {
    throw new ConfigError('k_test is out of range', {
      found: `${kTest}`,
      allowed: 'a whole number, at least 1: how many of each row are matched',
      help: 'run.k_test=128',
    });
  }
  const { tokenizer, textEncoder } = matcher;
  const length = Math.min(TEXT_LENGTH, textEncoder.config.maxPositions);
  const text = tokenizer.encodeBatch(texts, length, length);
  const [encodedImages, textFeatures] = [await encodeImages(matcher, images), encodeTexts(matcher, text)];
  try {
    if (encodedImages.embeds.length === 0 || texts.length === 0) {
      throw new DataError('nothing to compare', {
        found: `${encodedImages.embeds.length} images, ${texts.length} texts`,
      });
    }
    const grounded = withFirstToken(text, tokenizer.encId);
    const match = (pairs: readonly Pair[]) => matchLogits(matcher, encodedImages, grounded, pairs);
    const shares = [encodedImages.embeds.length, texts.length].map((rows) => shareOf(rows, comm));
    const total = shares.reduce((sum, [first, last]) => sum + last - first, 0);
    let done = 0;
    const rowDone = () => onRow?.(++done, total);
    const [scoreI2t, scoreT2i] = [
      await scoreRows(
        { rows: encodedImages.features, columns: textFeatures },
        (image, text) => ({ image, text }),
        { kTest, comm, match, rowDone, name: 'scores of images' },
      ),
      await scoreRows(
        { rows: textFeatures, columns: encodedImages.features },
        (text, image) => ({ image, text }),
        { kTest, comm, match, rowDone, name: 'scores of texts' },
      ),
    ];
    return { scoreI2t, scoreT2i };
  } finally {
    tf.dispose([encodedImages.features, textFeatures]);
  }
}

/** Places of an image and a text. */
interface Pair {
  image: number;
  text: number;
}

interface EncodedImages {
  /** Of each image, [N, D] in host memory: there are many. */
  embeds: Float32Array[];
  /** [N, D] */
  shape: [number, number];
  /** [I, E] */
  features: tf.Tensor2D;
}

async function encodeImages(
  { visualEncoder, visionProj }: Matcher,
  images: SimMatrixSamples['images'],
): Promise<EncodedImages> {
  const embeds: Float32Array[] = [];
  const features: tf.Tensor2D[] = [];
  let shape: [number, number] = [0, 0];
  const encode = async (batch: tf.Tensor4D) => {
    const encoded = tf.tidy(() => {
      const states = visualEncoder.forward(batch);
      return { states, feature: featureOf(states, visionProj) };
    });
    shape = encoded.states.shape.slice(1) as [number, number];
    const values = await encoded.states.data<'float32'>();
    const size = shape[0] * shape[1];
    for (let at = 0; at < values.length; at += size) embeds.push(values.slice(at, at + size));
    encoded.states.dispose();
    features.push(encoded.feature);
  };
  if (images instanceof tf.Tensor) await encode(images);
  else {
    for await (const batch of images) {
      await encode(batch);
      batch.dispose();
    }
  }
  const all = features.length === 0 ? tf.zeros<tf.Rank.R2>([0, 0]) : tf.concat(features);
  tf.dispose(features);
  return { embeds, shape, features: all };
}

/** @returns [T, E] */
function encodeTexts({ textEncoder, textProj }: Matcher, text: EncodedTexts): tf.Tensor2D {
  return tf.tidy(() => {
    const features: tf.Tensor2D[] = [];
    for (let at = 0; at < text.inputIds.length; at += TEXTS_AT_ONCE) {
      const batch = {
        inputIds: text.inputIds.slice(at, at + TEXTS_AT_ONCE),
        attentionMask: text.attentionMask.slice(at, at + TEXTS_AT_ONCE),
      };
      features.push(tf.tidy(() => featureOf(textEncoder.forward(batch), textProj)));
    }
    return features.length === 0 ? tf.zeros<tf.Rank.R2>([0, 0]) : tf.concat(features);
  });
}

/** The match logit of each pair. */
async function matchLogits(
  { textEncoder, itmHead }: Matcher,
  { embeds, shape }: EncodedImages,
  { inputIds, attentionMask }: EncodedTexts,
  pairs: readonly Pair[],
): Promise<number[]> {
  const found: number[] = [];
  for (let at = 0; at < pairs.length; at += PAIRS_AT_ONCE) {
    const some = pairs.slice(at, at + PAIRS_AT_ONCE);
    const logits = tf.tidy(() => {
      const images = some.map(({ image }) => tf.tensor2d(embeds[image], shape));
      const sameImage = some.every(({ image }) => image === some[0].image);
      const states = sameImage ? tf.tile(images[0].expandDims(0), [some.length, 1, 1]) : tf.stack(images);
      const text = {
        inputIds: some.map(({ text }) => inputIds[text]),
        attentionMask: some.map(({ text }) => attentionMask[text]),
      };
      const output = textEncoder.forward(text, { states });
      return itmHead.forward(firstToken(output)).slice([0, 1], [-1, 1]);
    });
    found.push(...(await logits.data()));
    logits.dispose();
  }
  return found;
}

interface ScoreOptions extends Pick<SimMatrixOptions, 'kTest' | 'comm'> {
  match(pairs: readonly Pair[]): Promise<number[]>;
  rowDone(): void | Promise<void>;
  name: string;
}

/** The rows of this rank: from, and to before. */
function shareOf(rows: number, comm?: Communicator): [number, number] {
  const share = Math.ceil(rows / (comm?.worldSize ?? 1));
  const first = Math.min(rows, (comm?.rank ?? 0) * share);
  return [first, Math.min(rows, first + share)];
}

/**
 * For each row, its best columns by the cosine of their features, and for these the match logit and the cosine
 * together. The reference sums the ranks' matrices, so that with n ranks every score is 100 (n - 1) lower there.
 * @param features [rows, E] and [columns, E]
 */
async function scoreRows(
  features: { rows: tf.Tensor2D; columns: tf.Tensor2D },
  pairOf: (row: number, column: number) => Pair,
  { kTest, comm, match, rowDone, name }: ScoreOptions,
): Promise<number[][]> {
  const [rows, columns] = [features.rows.shape[0], features.columns.shape[0]];
  const [first, last] = shareOf(rows, comm);
  const scored: number[][] = [];
  for (let row = first; row < last; row++) {
    const cosines = tf.tidy(() =>
      tf.matMul(features.rows.slice([row, 0], [1, -1]), features.columns, false, true),
    );
    const values = await cosines.data<'float32'>();
    const best = bestIndices(values, Math.min(kTest, columns));
    const logits = await match(best.map((column) => pairOf(row, column)));
    const scores = new Array<number>(columns).fill(NOT_MATCHED);
    best.forEach((column, i) => {
      scores[column] = Math.fround(logits[i] + values[column]);
    });
    cosines.dispose();
    scored.push(scores);
    await rowDone();
  }
  return comm ? (await comm.allGather(scored, name)).flat() : scored;
}
