import { noGrad, tf } from '../../engine/index.js';
import type { Linear } from '../../nn/index.js';
import type { TextEncoder } from '../med/encoder.js';
import { type BertTokenizer, type EncodedTexts, withFirstToken } from '../tokenizer/tokenizer.js';
import type { VisionTransformer } from '../vit.js';
import { featureOf, firstToken } from './contrastive.js';

/** The parts that images and texts are compared with, each encoded by itself. */
export interface Comparer {
  readonly tokenizer: BertTokenizer;
  readonly visualEncoder: VisionTransformer;
  readonly textEncoder: TextEncoder;
  readonly visionProj: Linear;
  readonly textProj: Linear;
}

/** A model that compares by features and reranks with a matching head. */
export interface Matcher extends Comparer {
  readonly itmHead: Linear;
}

/** How all images of a batch fit all texts, [images, texts] each; the caller owns both. */
export interface Matches {
  /** That they belong together, from 0 to 1, by reading the text beside the image. */
  probability: tf.Tensor2D;
  /** The cosine of their features. */
  similarity: tf.Tensor2D;
}

/** The features of images without gradients, rows of length 1. @param image [B, H, W, 3]; returns [B, E] */
export const imageFeatures = ({ visualEncoder, visionProj }: Comparer, image: tf.Tensor4D): tf.Tensor2D =>
  noGrad(() => tf.tidy(() => featureOf(visualEncoder.forward(image), visionProj)));

/** The features of texts without gradients, rows of length 1. @returns [T, E] */
export const textFeatures = ({ textEncoder, textProj }: Comparer, texts: EncodedTexts): tf.Tensor2D =>
  noGrad(() => tf.tidy(() => featureOf(textEncoder.forward(texts), textProj)));

/**
 * Compares all images with all texts, without gradients. Images are encoded once; each text is read by itself, so
 * that nothing depends on what else is asked.
 * @param image [B, H, W, 3], normalised
 * @param texts each encoded alone, [1][T]
 */
export function matchPairs(matcher: Matcher, image: tf.Tensor4D, texts: readonly EncodedTexts[]): Matches {
  const { tokenizer, visualEncoder, textEncoder, visionProj, itmHead } = matcher;
  const [batch] = image.shape;
  return noGrad(() =>
    tf.tidy(() => {
      const states = visualEncoder.forward(image);
      const features = texts.map((text) => textFeatures(matcher, text));
      const similarity = tf.matMul(featureOf(states, visionProj), tf.concat(features), false, true);
      const columns = texts.map((text) =>
        tf.tidy(() => {
          const grounded = withFirstToken(repeated(text, batch), tokenizer.encId);
          const logits = itmHead.forward(firstToken(textEncoder.forward(grounded, { states })));
          return tf.softmax(logits).slice([0, 1], [-1, 1]);
        }),
      );
      return { probability: tf.concat(columns, 1) as tf.Tensor2D, similarity: similarity as tf.Tensor2D };
    }),
  );
}

/** One text for each of so many images. */
const repeated = ({ inputIds: [ids], attentionMask: [mask] }: EncodedTexts, count: number): EncodedTexts => ({
  inputIds: new Array<number[]>(count).fill(ids),
  attentionMask: new Array<number[]>(count).fill(mask),
});
