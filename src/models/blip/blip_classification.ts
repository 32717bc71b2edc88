import { ConfigError } from '../../common/errors.js';
import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { noGrad, softmaxCrossEntropy, tf } from '../../engine/index.js';
import {
  embedsOf,
  imageEncodingOf,
  readsPixelsTwice,
  type SeenImages,
  type SeenSamples,
  seenImages,
} from '../image_embeds.js';
import { TextEncoder } from '../med/encoder.js';
import type { ForwardPasses, ImageEncoding } from '../model.js';
import { MomentumModels } from '../momentum.js';
import type { EncodedTexts } from '../tokenizer/tokenizer.js';
import { VisionTransformer } from '../vit.js';
import { BlipBase, type BlipParts } from './blip_base.js';
import { ClassificationHead, labelsTensor, type Predictions } from './classification_head.js';
import { blipSchema, momentumKeys, usualWords } from './config.js';
import { firstToken, rampUp, softCrossEntropy, type TrainingProgress } from './contrastive.js';
import { checkTexts } from './losses.js';

/** The keys of the `model` section. */
const blipClassificationSchema = blipSchema.extend({
  num_classes: key(types.natural, undefined, 'Number of classes; required.'),
  use_distill: key(types.flag, true, 'Learn from the predictions of the momentum encoder too.'),
  ...momentumKeys,
  max_txt_len: key(types.natural, 40, 'Texts are truncated to this many tokens.'),
});

type ClassificationSection = typeof blipClassificationSchema._output;

export interface ClassificationSamples extends SeenSamples, TrainingProgress {
  /** The class of each sample, from 0. */
  label?: ArrayLike<number>;
}

/** The caller owns all tensors. */
export interface BlipClassificationOutput {
  loss: tf.Scalar;
  intermediateOutput: {
    /** [B, N, D] */
    imageEmbeds: tf.Tensor3D;
    /** [B, T, D] */
    encoderOutput: tf.Tensor3D;
    /** [B, classes] */
    logits: tf.Tensor2D;
    /** The momentum copies' logits, where there are copies. */
    logitsM?: tf.Tensor2D;
  };
}

/** What reads an image with its text: the model's own parts, or their momentum copies. */
interface Classifier {
  visualEncoder: VisionTransformer;
  textEncoder: TextEncoder;
  clsHead: ClassificationHead;
}

/**
 * Classes of an image with a text, such as SNLI-VE's; learned from labels and from momentum copies.
 * Source: lavis/models/blip_models/blip_classification.py, which stops in training.
 */
@registry.registerModel('blip_classification')
export class BlipClassification extends BlipBase {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    base: 'configs/models/blip_classification_base.yaml',
  };
  static readonly configSchema = blipClassificationSchema;

  readonly visualEncoder: VisionTransformer;
  readonly textEncoder: TextEncoder;
  readonly clsHead: ClassificationHead;
  readonly momentum?: MomentumModels;
  readonly alpha: number;
  readonly maxTextLength: number;
  readonly #copies?: Classifier;

  /** @throws ConfigError where nothing says how many classes there are. */
  static checkSection({ num_classes: classes }: Pick<ClassificationSection, 'num_classes'>): void {
    if (classes !== undefined) return;
    throw new ConfigError('model.num_classes is not given', {
      allowed: 'how many classes the labels have: 3 for SNLI-VE',
      help: 'model.num_classes=NUMBER',
    });
  }

  constructor(parts: BlipParts<ClassificationSection>) {
    super(parts);
    const { section, vit, med } = parts;
    BlipClassification.checkSection(section);
    const classifier = (suffix: string): Classifier => ({
      visualEncoder: this.child(`visual_encoder${suffix}`, new VisionTransformer(vit)),
      textEncoder: this.child(`text_encoder${suffix}`, new TextEncoder(med)),
      clsHead: this.child(`cls_head${suffix}`, new ClassificationHead(med, section.num_classes!)),
    });
    const online = classifier('');
    this.visualEncoder = online.visualEncoder;
    this.textEncoder = online.textEncoder;
    this.clsHead = online.clsHead;
    if (section.use_distill) {
      const copies = classifier('_m');
      this.#copies = copies;
      this.momentum = new MomentumModels(
        [
          { name: 'visual_encoder_m', online: online.visualEncoder, momentum: copies.visualEncoder },
          { name: 'text_encoder_m', online: online.textEncoder, momentum: copies.textEncoder },
          { name: 'cls_head_m', online: online.clsHead, momentum: copies.clsHead },
        ],
        section.momentum,
      );
    }
    this.alpha = section.alpha;
    this.maxTextLength = Math.min(section.max_txt_len, med.maxPositions);
  }

  passes(batch: number): ForwardPasses {
    const { visualEncoder, textEncoder, maxTextLength } = this;
    const read = { rows: batch, words: usualWords(maxTextLength), besides: 1 };
    return { visualEncoder, med: textEncoder.config, images: batch, texts: [read] };
  }

  /** @throws ConfigError with momentum copies: their own image encoder reads every image too */
  imageEncoding(): ImageEncoding {
    if (!this.#copies) return imageEncodingOf(this.visualEncoder);
    throw readsPixelsTwice(this, 'model.use_distill=False trains without them');
  }

  override fillMissing(missing: readonly string[]): string[] {
    return this.momentum?.copy(missing) ?? [];
  }

  hold(held: boolean): void {
    if (this.momentum) this.momentum.held = held;
  }

  /**
   * The loss of a batch; momentum copies move on, in evaluation too.
   * @param samples.image [B, H, W, 3], normalised, or image_embeds
   */
  forward(samples: ClassificationSamples): BlipClassificationOutput {
    const images = seenImages(samples);
    const text = this.#readTexts(samples);
    return tf.tidy(() => {
      const labels = labelsTensor(samples.label, images.shape[0], this.clsHead.numClasses);
      const online = this.#classify(this, samples, text);
      const fromLabels = softmaxCrossEntropy(online.logits, labels);
      const copies = this.#copies;
      if (!copies) return { loss: fromLabels, intermediateOutput: online };
      this.momentum!.update();
      const { logits: logitsM } = noGrad(() => this.#classify(copies, samples, text));
      const share = this.alpha * rampUp(samples, 1);
      const fromCopies = softCrossEntropy(
        online.logits,
        noGrad(() => tf.softmax(logitsM)),
      );
      const loss: tf.Scalar = tf.add(fromLabels.mul(1 - share), fromCopies.mul(share));
      return { loss, intermediateOutput: { ...online, logitsM } };
    });
  }

  /** The logits of each class. */
  predict(samples: ClassificationSamples): Predictions {
    const text = this.#readTexts(samples);
    const predictions = tf.tidy(() => this.#classify(this, samples, text).logits);
    return { predictions, targets: Array.from(samples.label ?? []) };
  }

  #readTexts({ text_input: texts = [], ...seen }: ClassificationSamples): EncodedTexts {
    checkTexts(seenImages(seen), texts);
    return this.tokenizer.encodeBatch(texts, this.maxTextLength);
  }

  /** [CLS] stays the first token although the text is read beside the image, as in the reference. */
  #classify({ visualEncoder, textEncoder, clsHead }: Classifier, seen: SeenImages, text: EncodedTexts) {
    const imageEmbeds = embedsOf(visualEncoder, seen, this.noise);
    const encoderOutput = textEncoder.forward(text, { states: imageEmbeds }, this.noise);
    return { imageEmbeds, encoderOutput, logits: clsHead.forward(firstToken(encoderOutput)) };
  }
}
