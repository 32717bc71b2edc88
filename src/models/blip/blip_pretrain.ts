import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { noGrad, tf } from '../../engine/index.js';
import type { TextDecoder } from '../med/decoder.js';
import type { CaptionSamples } from '../model.js';
import { withFirstToken } from '../tokenizer/tokenizer.js';
import type { BlipParts } from './blip_base.js';
import { BlipContrastive, blipContrastiveSchema, type Similarities } from './blip_contrastive.js';
import { drawColumns, type Negatives, rampUp, type TrainingProgress } from './contrastive.js';
import { checkTexts, IGNORED, languageModelLoss } from './losses.js';

/** The keys of the `model` section. */
const blipPretrainSchema = blipContrastiveSchema.extend({
  image_size: key(types.natural, 224, 'Image size in pixels; the processors have to agree.'),
  max_txt_len: key(types.natural, 30, 'Texts are truncated and padded to this many tokens.'),
  prompt: key(types.words, '', 'Not used: texts have no prompt here, in LAVIS either.'),
});

export interface PretrainSamples extends CaptionSamples, TrainingProgress {
  /** In place of the draw of hard negatives. */
  negatives?: Negatives;
}

/** The caller owns all tensors. */
export interface BlipPretrainOutput {
  /** The sum of the three. */
  loss: tf.Scalar;
  lossItc: tf.Scalar;
  lossItm: tf.Scalar;
  lossLm: tf.Scalar;
  intermediateOutput: {
    /** [B, N, D] and [B, T, D] */
    imageEmbeds: tf.Tensor3D;
    textEmbeds: tf.Tensor3D;
    /** Over the temperature, [B, B + queue] each. */
    simI2t: tf.Tensor;
    simT2i: tf.Tensor;
    /** [3B, 2]: pairs that belong together, then texts with other images, then images with other texts. */
    itmLogits: tf.Tensor2D;
    /** [B, T, V] */
    decoderLogits: tf.Tensor3D;
  };
}

/**
 * BLIP's pretraining: image-text contrast (ITC), matching (ITM) and language modelling (LM) in one step.
 * Source: arXiv:2201.12086; lavis/models/blip_models/blip_pretrain.py.
 */
@registry.registerModel('blip_pretrain')
export class BlipPretrain extends BlipContrastive {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    base: 'configs/models/blip_pretrain_base.yaml',
    shapes: 'configs/models/blip_pretrain_shapes.yaml',
  };
  static readonly configSchema = blipPretrainSchema;
  static readonly growsVocabulary = true;

  readonly maxTextLength: number;

  constructor(parts: BlipParts<typeof blipPretrainSchema._output>) {
    super(parts, { decoder: true });
    this.maxTextLength = Math.min(parts.section.max_txt_len, parts.med.maxPositions);
  }

  get textDecoder(): TextDecoder {
    return this.decoder!;
  }

  /**
   * The three losses; in evaluation too, momentum copies move on and the queue takes the batch in.
   * @param samples.image [B, H, W, 3], normalised
   */
  forward(samples: PretrainSamples): BlipPretrainOutput {
    const { image, text_input: texts = [] } = samples;
    checkTexts(image, texts);
    const text = this.tokenizer.encodeBatch(texts, this.maxTextLength, this.maxTextLength);
    return tf.tidy(() => {
      this.clampTemperature();
      const { imageEmbeds, textEmbeds, features } = this.encodePairs(image, text);
      const momentum = this.momentumFeatures(image, text);
      const sims = this.similarities(features, momentum);
      const same = tf.pad(tf.eye(texts.length), [
        [0, 0],
        [0, this.queue.size],
      ]);
      const lossItc = this.contrastiveLoss(sims, momentum, same, this.alpha * rampUp(samples, 2));
      this.queue.enqueue([momentum.image.transpose(), momentum.text.transpose()]);

      const negatives = samples.negatives ?? this.#drawNegatives(sims);
      const { loss: lossItm, logits: itmLogits } = this.matchingLoss(imageEmbeds, text, negatives);

      const written = withFirstToken(text, this.tokenizer.bosId);
      const decoderLogits = this.textDecoder.forward(written, { states: imageEmbeds }, this.noise);
      const targets = written.inputIds.map((ids) =>
        ids.map((id) => (id === this.tokenizer.padId ? IGNORED : id)),
      );
      const lossLm = languageModelLoss(decoderLogits, targets);

      const { imageToText: simI2t, textToImage: simT2i } = sims;
      const intermediateOutput = { imageEmbeds, textEmbeds, simI2t, simT2i, itmLogits, decoderLogits };
      const loss: tf.Scalar = tf.addN([lossItc, lossItm, lossLm]);
      return { loss, lossItc, lossItm, lossLm, intermediateOutput };
    });
  }

  /** The likelier taken for the right one, the likelier drawn: from the own batch, never the right one itself. */
  #drawNegatives({ imageToText, textToImage }: Similarities) {
    const weights = (sims: tf.Tensor) =>
      noGrad(() => {
        const batch = sims.shape[0]!;
        const own = tf.softmax(sims.slice([0, 0], [-1, batch]));
        return own.add(1e-4).mul(tf.sub(1, tf.eye(batch)));
      });
    const image = drawColumns(weights(textToImage), this.rng);
    return { image, text: drawColumns(weights(imageToText), this.rng) };
  }
}
