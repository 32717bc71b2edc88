import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { noGrad, tf } from '../../engine/index.js';
import { Linear, normal } from '../../nn/index.js';
import { TextEncoder } from '../med/encoder.js';
import { noLoss } from '../model.js';
import { withFirstToken } from '../tokenizer/tokenizer.js';
import type { FeatureModel } from '../uses.js';
import { VisionTransformer } from '../vit.js';
import { BlipBase, type BlipParts } from './blip_base.js';
import { blipSchema } from './config.js';
import { normalized } from './contrastive.js';
import { checkTexts } from './losses.js';
import { imageFeatures, textFeatures } from './matching.js';

/** The keys of the `model` section. */
const blipFeatureExtractorSchema = blipSchema.extend({
  image_size: key(types.natural, 224, 'Image size in pixels; the processors have to agree.'),
  embed_dim: key(types.natural, 256, 'Dimension of the projected image and text features.'),
  max_txt_len: key(types.natural, 30, 'Not used, as in LAVIS: texts are cut at the last position only.'),
});

/** Images, texts or both; `text_input` may be one text. */
export interface FeatureSamples {
  /** [B, H, W, 3], normalised. */
  image?: tf.Tensor4D;
  text_input?: string | readonly string[];
}

/** Features of every token, the first of which stands for the whole; the caller owns all tensors. */
export interface BlipFeatures {
  /** [B, N, D] */
  imageEmbeds?: tf.Tensor3D;
  /** [B, N, E], each of length 1 */
  imageEmbedsProj?: tf.Tensor3D;
  /** [B, T, D] */
  textEmbeds?: tf.Tensor3D;
  /** [B, T, E], each of length 1 */
  textEmbedsProj?: tf.Tensor3D;
  /** [B, T, D], of texts read beside their images */
  multimodalEmbeds?: tf.Tensor3D;
}

export type FeatureMode = 'image' | 'text' | 'multimodal';

/**
 * What BLIP makes of images, texts, and texts beside images. Source: arXiv:2201.12086;
 * lavis/models/blip_models/blip_feature_extractor.py.
 */
@registry.registerModel('blip_feature_extractor')
export class BlipFeatureExtractor extends BlipBase implements FeatureModel {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    base: 'configs/models/blip_feature_extractor_base.yaml',
  };
  static readonly configSchema = blipFeatureExtractorSchema;

  readonly temp: tf.Variable;
  readonly visualEncoder: VisionTransformer;
  readonly textEncoder: TextEncoder;
  readonly visionProj: Linear;
  readonly textProj: Linear;

  constructor(parts: BlipParts<typeof blipFeatureExtractorSchema._output>) {
    super(parts);
    const { section, vit, med } = parts;
    const init = normal(med.initializerRange);
    this.temp = this.parameter('temp', [], (values) => values.fill(0.07));
    this.visualEncoder = this.child('visual_encoder', new VisionTransformer(vit));
    this.textEncoder = this.child('text_encoder', new TextEncoder(med));
    this.visionProj = this.child('vision_proj', new Linear(vit.width, section.embed_dim, init));
    this.textProj = this.child('text_proj', new Linear(med.hiddenSize, section.embed_dim, init));
  }

  /** @throws ConfigError: there is no loss to train by. */
  forward(): never {
    return noLoss(this, 'extractFeatures(samples, mode)');
  }

  /**
   * Features without gradients: of images or texts alone, with their projections; or of texts beside their images.
   * @throws RangeError when the samples lack what the mode needs, or the mode is another.
   */
  extractFeatures(samples: FeatureSamples, mode: FeatureMode = 'multimodal'): BlipFeatures {
    const { image, text_input: given } = samples;
    if (!['image', 'text', 'multimodal'].includes(mode)) {
      throw new RangeError(`extractFeatures: the mode is image, text or multimodal, not '${mode}'`);
    }
    if (mode !== 'text' && !image) throw new RangeError(`extractFeatures: mode ${mode} needs an image`);
    if (mode !== 'image' && given === undefined) {
      throw new RangeError(`extractFeatures: mode ${mode} needs text_input`);
    }
    const texts = typeof given === 'string' ? [given] : (given ?? []);
    return noGrad(() =>
      tf.tidy(() => {
        if (mode === 'image') return this.#ofImages(image!);
        if (mode === 'text') return this.#ofTexts(texts);
        return this.#ofPairs(image!, texts);
      }),
    );
  }

  imageFeatures(image: tf.Tensor4D): tf.Tensor2D {
    return imageFeatures(this, image);
  }

  textFeatures(texts: readonly string[]): tf.Tensor2D {
    return textFeatures(this, this.#read(texts));
  }

  #ofImages(image: tf.Tensor4D) {
    const imageEmbeds = this.visualEncoder.forward(image);
    const imageEmbedsProj = normalized(this.visionProj.forward(imageEmbeds) as tf.Tensor3D);
    return { imageEmbeds, imageEmbedsProj };
  }

  #ofTexts(texts: readonly string[]) {
    const textEmbeds = this.textEncoder.forward(this.#read(texts));
    const textEmbedsProj = normalized(this.textProj.forward(textEmbeds) as tf.Tensor3D);
    return { textEmbeds, textEmbedsProj };
  }

  #ofPairs(image: tf.Tensor4D, texts: readonly string[]) {
    checkTexts(image, texts);
    const imageEmbeds = this.visualEncoder.forward(image);
    const text = withFirstToken(this.#read(texts), this.tokenizer.encId);
    return { imageEmbeds, multimodalEmbeds: this.textEncoder.forward(text, { states: imageEmbeds }) };
  }

  #read(texts: readonly string[]) {
    return this.tokenizer.encodeBatch(texts, this.textEncoder.config.maxPositions);
  }
}
