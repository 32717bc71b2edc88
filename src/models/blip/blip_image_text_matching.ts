import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { tf } from '../../engine/index.js';
import { Linear, normal } from '../../nn/index.js';
import { TextEncoder } from '../med/encoder.js';
import { type CaptionSamples, noLoss } from '../model.js';
import { type EncodedTexts, withFirstToken } from '../tokenizer/tokenizer.js';
import type { MatchModel } from '../uses.js';
import { VisionTransformer } from '../vit.js';
import { BlipBase, type BlipParts } from './blip_base.js';
import { blipSchema } from './config.js';
import { featureOf, firstToken } from './contrastive.js';
import { checkTexts } from './losses.js';
import { imageFeatures, type Matches, matchPairs, textFeatures } from './matching.js';

/** Texts are cut to so many tokens, whatever the section says. */
const MOST_TOKENS = 35;

/** The keys of the `model` section. */
const blipItmSchema = blipSchema.extend({
  embed_dim: key(types.natural, 256, 'Dimension of the projected image and text features.'),
  max_txt_len: key(types.natural, MOST_TOKENS, 'Not used, as in LAVIS: texts are cut to 35 tokens.'),
});

/** How a match is judged: by reading the text beside the image, or by comparing features. */
export type MatchHead = 'itm' | 'itc';

/**
 * Whether a text belongs to an image. Source: arXiv:2201.12086; lavis/models/blip_models/blip_image_text_matching.py.
 */
@registry.registerModel('blip_image_text_matching')
export class BlipImageTextMatching extends BlipBase implements MatchModel {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    base: 'configs/models/blip_itm_base.yaml',
    large: 'configs/models/blip_itm_large.yaml',
  };
  static readonly configSchema = blipItmSchema;

  readonly textEncoder: TextEncoder;
  readonly visualEncoder: VisionTransformer;
  readonly visionProj: Linear;
  readonly textProj: Linear;
  readonly itmHead: Linear;

  constructor(parts: BlipParts<typeof blipItmSchema._output>) {
    super(parts);
    const { section, vit, med } = parts;
    const init = normal(med.initializerRange);
    this.textEncoder = this.child('text_encoder', new TextEncoder(med));
    this.visualEncoder = this.child('visual_encoder', new VisionTransformer(vit));
    this.visionProj = this.child('vision_proj', new Linear(vit.width, section.embed_dim, init));
    this.textProj = this.child('text_proj', new Linear(med.hiddenSize, section.embed_dim, init));
    this.itmHead = this.child('itm_head', new Linear(med.hiddenSize, 2, init));
  }

  /** @throws ConfigError: there is no loss to train by. */
  forward(): never {
    return noLoss(this, "match(samples, 'itm' or 'itc')");
  }

  /**
   * How well texts fit images.
   * @returns 'itm': logits [B, 2] of image i with text i, the second that they match; 'itc': cosine similarities of
   *   all images with all texts, [images, texts]
   */
  match({ image, text_input: texts = [] }: CaptionSamples, head: MatchHead = 'itm'): tf.Tensor2D {
    if (head === 'itm') checkTexts(image, texts);
    const text = this.readTexts(texts);
    return tf.tidy(() => this.#score(this.visualEncoder.forward(image, this.noise), text, head));
  }

  /**
   * The same for images and texts that are encoded already.
   * @param imageEmbeds [B, N, D]
   * @param inputIds [B][T], of texts whose first three tokens ([CLS], "a picture") are dropped here
   * @returns 'itm': the probability of a match, [B]; 'itc': similarities [images, texts]
   */
  rank(
    imageEmbeds: tf.Tensor3D,
    inputIds: readonly (readonly number[])[],
    head: MatchHead = 'itm',
  ): tf.Tensor {
    const { padId, clsId } = this.tokenizer;
    const rest = inputIds.map((ids) => ids.slice(3));
    const attentionMask = rest.map((ids) => ids.map((id) => (id === padId ? 0 : 1)));
    const text = withFirstToken({ inputIds: rest, attentionMask }, clsId);
    return tf.tidy(() => {
      const scores = this.#score(imageEmbeds, text, head);
      return head === 'itm' ? tf.softmax(scores).slice([0, 1], [-1, 1]).squeeze([1]) : scores;
    });
  }

  imageFeatures(image: tf.Tensor4D): tf.Tensor2D {
    return imageFeatures(this, image);
  }

  textFeatures(texts: readonly string[]): tf.Tensor2D {
    return textFeatures(this, this.readTexts(texts));
  }

  /** `match` with both heads, of all images with all texts. */
  matchPairs(image: tf.Tensor4D, texts: readonly string[]): Matches {
    return matchPairs(
      this,
      image,
      texts.map((text) => this.readTexts([text])),
    );
  }

  /** Texts as ids, cut to 35. */
  readTexts(texts: readonly string[]): EncodedTexts {
    const longest = Math.min(MOST_TOKENS, this.textEncoder.config.maxPositions);
    return this.tokenizer.encodeBatch(texts, longest);
  }

  #score(imageEmbeds: tf.Tensor3D, text: EncodedTexts, head: MatchHead): tf.Tensor2D {
    if (head === 'itm') {
      const grounded = withFirstToken(text, this.tokenizer.encId);
      const states = this.textEncoder.forward(grounded, { states: imageEmbeds }, this.noise);
      return this.itmHead.forward(firstToken(states)) as tf.Tensor2D;
    }
    if (head !== 'itc') throw new RangeError(`match: the head is itm or itc, not '${head}'`);
    const texts = featureOf(this.textEncoder.forward(text, undefined, this.noise), this.textProj);
    return tf.matMul(featureOf(imageEmbeds, this.visionProj), texts, false, true);
  }
}
