import { DataError } from '../../common/errors.js';
import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { softmaxCrossEntropy, tf } from '../../engine/index.js';
import { embedsOf, imageEncodingOf, type SeenImages, seenImages } from '../image_embeds.js';
import type { MedModel } from '../med/encoder.js';
import { TWIN_OF_PLAIN, type TwinCrossAttention, twinEncoder } from '../med/twin.js';
import type { ForwardPasses, ImageEncoding } from '../model.js';
import { withFirstToken } from '../tokenizer/tokenizer.js';
import { VisionTransformer } from '../vit.js';
import type { StateRefs } from '../weights.js';
import { BlipBase, type BlipParts } from './blip_base.js';
import { ClassificationHead, labelsTensor, type Predictions } from './classification_head.js';
import { blipSchema, usualWords } from './config.js';
import { firstToken } from './contrastive.js';
import { checkTexts } from './losses.js';

/** The keys of the `model` section. */
const blipNlvrSchema = blipSchema.extend({
  num_classes: key(types.natural, 2, 'Number of classes: false and true.'),
});

/** Pairs of images, or of their embeddings, each with a sentence about both. */
export interface SeenPairs {
  /** [B, H, W, 3] each, normalised; or what the image encoder made of them. */
  image0?: tf.Tensor4D;
  image1?: tf.Tensor4D;
  /** [B, N, D] each. */
  image0_embeds?: tf.Tensor3D;
  image1_embeds?: tf.Tensor3D;
  text_input?: readonly string[];
  /** Whether each sentence is true: 0 or 1. */
  label?: ArrayLike<number>;
}

/** Pairs of images, each with a sentence about both. */
export interface NlvrSamples extends SeenPairs {
  image0: tf.Tensor4D;
  image1: tf.Tensor4D;
}

/** The caller owns all tensors. */
export interface BlipNlvrOutput {
  loss: tf.Scalar;
  intermediateOutput: {
    /** [2, B, N, D]: the first image of every pair, then the second. */
    imageEmbeds: tf.Tensor4D;
    /** [B, T, D] */
    encoderOutput: tf.Tensor3D;
    /** [B, classes] */
    logits: tf.Tensor2D;
  };
}

/**
 * Whether a sentence about two images is true: the text attends to each of them in every layer.
 * Source: arXiv:2201.12086, section 5.4; lavis/models/blip_models/blip_nlvr.py.
 */
@registry.registerModel('blip_nlvr')
export class BlipNLVR extends BlipBase {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    nlvr: 'configs/models/blip_nlvr.yaml',
    shapes: 'configs/models/blip_nlvr_shapes.yaml',
  };
  static readonly configSchema = blipNlvrSchema;

  readonly visualEncoder: VisionTransformer;
  readonly textEncoder: MedModel<TwinCrossAttention>;
  readonly clsHead: ClassificationHead;

  constructor(parts: BlipParts<typeof blipNlvrSchema._output>) {
    super(parts);
    const { section, vit, med } = parts;
    this.visualEncoder = this.child('visual_encoder', new VisionTransformer(vit));
    this.textEncoder = this.child('text_encoder', twinEncoder(med));
    this.clsHead = this.child('cls_head', new ClassificationHead(med, section.num_classes));
  }

  passes(batch: number): ForwardPasses {
    const { visualEncoder, textEncoder } = this;
    const { config: med } = textEncoder;
    const read = { rows: batch, words: usualWords(med.maxPositions), besides: 2 };
    return { visualEncoder, med, images: 2 * batch, texts: [read] };
  }

  /** The cross-attention of a model of one image becomes that of both. */
  override mapCheckpoint(state: StateRefs): StateRefs {
    const mapped: StateRefs = new Map(state);
    for (const [name, ref] of state) {
      const plain = TWIN_OF_PLAIN.exec(name);
      if (!plain) continue;
      const [, before, part, after] = plain;
      for (const image of [0, 1]) {
        const twin = `${before}${part}${image}${after}`;
        if (!state.has(twin)) mapped.set(twin, ref);
      }
    }
    return mapped;
  }

  /** The loss of a batch. */
  forward(samples: SeenPairs): BlipNlvrOutput {
    return tf.tidy(() => {
      const pairs = this.#pairs(samples)[0].shape[0];
      const labels = labelsTensor(samples.label, pairs, this.clsHead.numClasses);
      const intermediateOutput = this.#classify(samples);
      return { loss: softmaxCrossEntropy(intermediateOutput.logits, labels), intermediateOutput };
    });
  }

  /** The logits of each class. */
  predict(samples: SeenPairs): Predictions {
    const predictions = tf.tidy(() => this.#classify(samples).logits);
    return { predictions, targets: Array.from(samples.label ?? []) };
  }

  imageEncoding(): ImageEncoding {
    return imageEncodingOf(this.visualEncoder);
  }

  /** The first image of every pair, and the second: both as pixels, or both as embeddings. */
  #pairs({ image0, image1, image0_embeds, image1_embeds }: SeenPairs): [tf.Tensor, tf.Tensor] {
    const first = seenImages({ image: image0, image_embeds: image0_embeds });
    const second = seenImages({ image: image1, image_embeds: image1_embeds });
    if (String(first.shape) === String(second.shape)) return [first, second];
    throw new DataError('the images of the pairs differ in number or size', {
      found: `image0 [${first.shape}], image1 [${second.shape}]`,
    });
  }

  #classify(samples: SeenPairs) {
    const { text_input: texts = [] } = samples;
    const [first, second] = this.#pairs(samples);
    checkTexts(first, texts);
    const { maxPositions } = this.textEncoder.config;
    const text = withFirstToken(this.tokenizer.encodeBatch(texts, maxPositions), this.tokenizer.encId);
    const joined = tf.concat([first, second]);
    const seen = samples.image0_embeds ? { image_embeds: joined } : { image: joined };
    const both = embedsOf(this.visualEncoder, seen as SeenImages, this.noise); // [2B, N, D]
    const [rows, tokens, width] = both.shape;
    const imageEmbeds = both.reshape<tf.Tensor4D>([2, rows / 2, tokens, width]);
    const encoderOutput = this.textEncoder.forward(text, { states: imageEmbeds }, this.noise);
    return { imageEmbeds, encoderOutput, logits: this.clsHead.forward(firstToken(encoderOutput)) };
  }
}
