import { log } from '../../common/logging.js';
import { key, types } from '../../config/index.js';
import type { Communicator } from '../../distributed/index.js';
import { noGrad, softmaxCrossEntropy, tf } from '../../engine/index.js';
import { Linear, normal } from '../../nn/index.js';
import { readsPixelsTwice } from '../image_embeds.js';
import { TextDecoder } from '../med/decoder.js';
import { TextEncoder } from '../med/encoder.js';
import type { ForwardPasses, Samples, TrainingPlan } from '../model.js';
import { MomentumModels } from '../momentum.js';
import { checkQueueSize, FeatureQueue, randomColumns } from '../queue.js';
import { type EncodedTexts, withFirstToken } from '../tokenizer/tokenizer.js';
import type { MatchModel } from '../uses.js';
import { VisionTransformer } from '../vit.js';
import { BlipBase, type BlipParts } from './blip_base.js';
import { blipSchema, momentumKeys } from './config.js';
import { featureOf, firstToken, softCrossEntropy } from './contrastive.js';
import { imageFeatures, type Matches, matchPairs, textFeatures } from './matching.js';

/** The keys that both have beyond those of every BLIP. */
export const blipContrastiveSchema = blipSchema.extend({
  embed_dim: key(types.natural, 256, 'Dimension of the projected image and text features.'),
  queue_size: key(
    types.natural,
    57600,
    'Length of the queue of features of earlier batches, which serve as negatives: a multiple of the batch over all ranks.',
  ),
  ...momentumKeys,
});

type ContrastiveParts = BlipParts<typeof blipContrastiveSchema._output>;

/** What images and texts are encoded with: the model's own parts, or their momentum copies. */
interface Encoders {
  visualEncoder: VisionTransformer;
  textEncoder: TextEncoder;
  visionProj: Linear;
  textProj: Linear;
}

/** Features of a batch that are compared with each other, [B, E] each, every row of length 1. */
export type Features = {
  image: tf.Tensor2D;
  text: tf.Tensor2D;
};

/** A batch as both encoders, each by itself, see it. */
export interface EncodedPairs {
  /** [B, N, D] */
  imageEmbeds: tf.Tensor3D;
  /** [B, T, D] */
  textEmbeds: tf.Tensor3D;
  features: Features;
}

/** Similarities over the temperature, [B, B + queue] each: the own batch's columns first. */
export interface Similarities {
  imageToText: tf.Tensor;
  textToImage: tf.Tensor;
}

/** From which negatives are taken: the own batch, or those of all ranks. */
export interface Pool {
  /** [P, N, D] */
  imageEmbeds: tf.Tensor;
  texts: EncodedTexts;
}

/**
 * What pretraining and retrieval share: features compared with those of momentum copies and of earlier batches
 * (ITC), and matching of images with hard negatives (ITM). Source: arXiv:2201.12086, section 3.2; arXiv:2107.07651.
 */
export abstract class BlipContrastive extends BlipBase implements MatchModel {
  readonly temp: tf.Variable;
  readonly visualEncoder: VisionTransformer;
  readonly textEncoder: TextEncoder;
  readonly visionProj: Linear;
  readonly textProj: Linear;
  readonly itmHead: Linear;
  readonly momentum: MomentumModels;
  readonly queue: FeatureQueue;
  readonly alpha: number;
  /** Texts are truncated and padded to this many tokens. */
  abstract readonly maxTextLength: number;
  /** The decoder that shares weights with the text encoder, where there is one. */
  protected readonly decoder?: TextDecoder;
  readonly #copies: Encoders;

  /** @param extras a decoder; a queue of the images' ids */
  constructor(parts: ContrastiveParts, { decoder = false, ids = false } = {}) {
    super(parts);
    const { section, vit, med } = parts;
    const { embed_dim: width, queue_size: size } = section;
    const init = normal(med.initializerRange);
    const encoders = (suffix: string, between?: (text: TextEncoder) => void): Encoders => {
      const visualEncoder = this.child(`visual_encoder${suffix}`, new VisionTransformer(vit));
      const textEncoder = this.child(`text_encoder${suffix}`, new TextEncoder(med));
      between?.(textEncoder);
      const visionProj = this.child(`vision_proj${suffix}`, new Linear(vit.width, width, init));
      const textProj = this.child(`text_proj${suffix}`, new Linear(med.hiddenSize, width, init));
      return { visualEncoder, textEncoder, visionProj, textProj };
    };

    this.temp = this.parameter('temp', [], (values) => values.fill(0.07));
    const features = ['image_queue', 'text_queue'].map((name) =>
      this.buffer(name, () => tf.zeros([width, size]), randomColumns(size)),
    );
    const idQueue = ids ? [this.buffer('idx_queue', () => tf.fill([1, size], -100, 'int32'))] : [];
    const pointer = this.buffer('queue_ptr', () => tf.zeros([1], 'int32'));
    this.queue = new FeatureQueue([...features, ...idQueue], pointer);

    let textDecoder: TextDecoder | undefined;
    const online = encoders('', (encoder) => {
      if (decoder) textDecoder = this.child('text_decoder', new TextDecoder(med, encoder));
    });
    ({
      visualEncoder: this.visualEncoder,
      textEncoder: this.textEncoder,
      visionProj: this.visionProj,
      textProj: this.textProj,
    } = online);
    this.decoder = textDecoder;
    this.itmHead = this.child('itm_head', new Linear(med.hiddenSize, 2, init));
    this.#copies = encoders('_m');
    this.momentum = new MomentumModels(
      [
        { name: 'visual_encoder_m', online: online.visualEncoder, momentum: this.#copies.visualEncoder },
        { name: 'text_encoder_m', online: online.textEncoder, momentum: this.#copies.textEncoder },
        { name: 'vision_proj_m', online: online.visionProj, momentum: this.#copies.visionProj },
        { name: 'text_proj_m', online: online.textProj, momentum: this.#copies.textProj },
      ],
      section.momentum,
    );
    this.alpha = section.alpha;
  }

  /** Texts alone, and three beside an image each for one: the right one, a wrong image, a wrong text. */
  passes(batch: number): ForwardPasses {
    const { visualEncoder, textEncoder, decoder, maxTextLength: words } = this;
    const texts: ForwardPasses['texts'] = [
      { rows: batch, words, besides: 0 },
      { rows: 3 * batch, words, besides: 1 },
    ];
    if (decoder) texts.push({ rows: batch, words, besides: 1, predicts: true });
    return { visualEncoder, med: textEncoder.config, images: batch, texts };
  }

  override fillMissing(missing: readonly string[]): string[] {
    return this.momentum.copy(missing);
  }

  protected override begin(): void {
    this.queue.rewind();
  }

  checkPlan({ batch }: TrainingPlan): void {
    checkQueueSize(this.queue.size, batch);
  }

  async beforeStep(_samples: Samples, _comm: Communicator): Promise<void> {
    this.queue.defer();
  }

  async afterStep(comm: Communicator): Promise<void> {
    await this.queue.exchange(comm);
  }

  /** @throws ConfigError */
  imageEncoding(): never {
    throw readsPixelsTwice(this);
  }

  hold(held: boolean): void {
    this.momentum.held = held;
    this.queue.held = held;
  }

  imageFeatures(image: tf.Tensor4D): tf.Tensor2D {
    return imageFeatures(this, image);
  }

  textFeatures(texts: readonly string[]): tf.Tensor2D {
    return textFeatures(this, this.tokenizer.encodeBatch(texts, this.maxTextLength));
  }

  matchPairs(image: tf.Tensor4D, texts: readonly string[]): Matches {
    return matchPairs(
      this,
      image,
      texts.map((text) => this.tokenizer.encodeBatch([text], this.maxTextLength)),
    );
  }

  /** The temperature stays within [0.001, 0.5]; what is held stays as it is altogether. */
  protected clampTemperature(): void {
    if (this.momentum.held) return;
    noGrad(() => tf.tidy(() => this.temp.assign(this.temp.clipByValue(0.001, 0.5))));
  }

  /** Images and texts, each by itself. */
  protected encodePairs(image: tf.Tensor4D, text: EncodedTexts): EncodedPairs {
    return this.#encodeWith(this, image, text);
  }

  /** Moves the momentum copies on, and gives their features: constants. */
  protected momentumFeatures(image: tf.Tensor4D, text: EncodedTexts): Features {
    return noGrad(() =>
      tf.tidy(() => {
        this.momentum.update();
        return this.#encodeWith(this.#copies, image, text).features;
      }),
    );
  }

  #encodeWith(
    { visualEncoder, textEncoder, visionProj, textProj }: Encoders,
    image: tf.Tensor4D,
    text: EncodedTexts,
  ): EncodedPairs {
    const imageEmbeds = visualEncoder.forward(image, this.noise);
    const textEmbeds = textEncoder.forward(text, undefined, this.noise);
    const features = {
      image: featureOf(imageEmbeds, visionProj),
      text: featureOf(textEmbeds, textProj),
    };
    return { imageEmbeds, textEmbeds, features };
  }

  /** Features against the momentum features of the own batch and, behind them, those of the queue. */
  protected similarities(features: Features, momentum: Features): Similarities {
    const [imageQueue, textQueue] = this.queue.queues;
    const images = tf.concat([momentum.image.transpose(), imageQueue], 1); // [E, B + queue]
    const texts = tf.concat([momentum.text.transpose(), textQueue], 1);
    return {
      imageToText: tf.matMul(features.image, texts).div(this.temp),
      textToImage: tf.matMul(features.text, images).div(this.temp),
    };
  }

  /**
   * ITC: the mean of both directions' cross-entropies.
   * @param positives [B, B + queue]: the columns that belong to each row, each row's sum 1
   * @param alpha the momentum copies' share in the targets
   */
  protected contrastiveLoss(
    similarities: Similarities,
    momentum: Features,
    positives: tf.Tensor,
    alpha: number,
  ): tf.Scalar {
    const targets = noGrad(() => {
      const soft = this.similarities(momentum, momentum);
      const mixed = (one: tf.Tensor) =>
        tf
          .softmax(one)
          .mul(alpha)
          .add(positives.mul(1 - alpha));
      return { imageToText: mixed(soft.imageToText), textToImage: mixed(soft.textToImage) };
    });
    return softCrossEntropy(similarities.imageToText, targets.imageToText)
      .add(softCrossEntropy(similarities.textToImage, targets.textToImage))
      .div(2);
  }

  /**
   * ITM: pairs that belong together, each text with an image that does not belong to it, each image with such a
   * text. A sample for which no negative was drawn has none.
   * @param negatives for each text an image of the pool, for each image a text
   */
  protected matchingLoss(
    imageEmbeds: tf.Tensor,
    text: EncodedTexts,
    negatives: { image: readonly (number | undefined)[]; text: readonly (number | undefined)[] },
    pool: Pool = { imageEmbeds, texts: text },
  ): { loss: tf.Scalar; logits: tf.Tensor2D } {
    const own = Array.from({ length: text.inputIds.length }, (_, i) => i);
    const withImage = own.filter((i) => negatives.image[i] !== undefined);
    const withText = own.filter((i) => negatives.text[i] !== undefined);
    if (withImage.length + withText.length < 2 * own.length) {
      log.warnOnce(
        'a batch has samples that everything in it belongs to: they are matched without negatives',
      );
    }
    const rows = (states: tf.Tensor, which: readonly number[]) =>
      tf.gather(states, tf.tensor1d([...which], 'int32'));
    const states = tf.concat([
      imageEmbeds,
      rows(
        pool.imageEmbeds,
        withImage.map((i) => negatives.image[i]!),
      ),
      rows(imageEmbeds, withText),
    ]);
    const texts = joinTexts(
      text,
      selectTexts(text, withImage),
      selectTexts(
        pool.texts,
        withText.map((i) => negatives.text[i]!),
      ),
    );
    const grounded = withFirstToken(texts, this.tokenizer.encId);
    const output = this.textEncoder.forward(grounded, { states }, this.noise);
    const logits = this.itmHead.forward(firstToken(output)) as tf.Tensor2D; // [3B, 2]
    const labels = texts.inputIds.map((_, i) => (i < own.length ? 1 : 0));
    return { loss: softmaxCrossEntropy(logits, tf.tensor1d(labels, 'int32')), logits };
  }
}

/** Some of the texts, in an order. */
const selectTexts = ({ inputIds, attentionMask }: EncodedTexts, rows: readonly number[]): EncodedTexts => ({
  inputIds: rows.map((row) => inputIds[row]),
  attentionMask: rows.map((row) => attentionMask[row]),
});

/** Texts of one length, one batch behind the other. */
export const joinTexts = (...batches: EncodedTexts[]): EncodedTexts => ({
  inputIds: batches.flatMap(({ inputIds }) => inputIds),
  attentionMask: batches.flatMap(({ attentionMask }) => attentionMask),
});
