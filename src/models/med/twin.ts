import type { Rng } from '../../common/random.js';
import { tf } from '../../engine/index.js';
import { dropoutIn, LayerNorm, Linear, Module, normal } from '../../nn/index.js';
import type { MedConfig } from './config.js';
import { MedModel } from './encoder.js';
import { type CrossAttention, MedAttention, MedLayer, MedSelfAttention } from './layers.js';

/** From this layer on, a linear layer merges the outputs for both images; before it, they are averaged. */
const FIRST_MERGED = 6;

/** The tensors of a plain cross-attention that a twin has twice: name before, part, name after. */
export const TWIN_OF_PLAIN = /^(.*\.crossattention\.)(self|output\.dense)(\..*)$/;

/** One projection for each image, brought together, added to the input and normalized. */
class TwinOutput extends Module {
  readonly layerNorm: LayerNorm;
  readonly dense0: Linear;
  readonly dense1: Linear;
  readonly mergeLayer?: Linear;

  constructor(
    readonly config: MedConfig,
    merges: boolean,
  ) {
    super();
    const { hiddenSize: size, initializerRange, layerNormEps } = config;
    const init = normal(initializerRange);
    this.layerNorm = this.child('LayerNorm', new LayerNorm(size, layerNormEps));
    this.dense0 = this.child('dense0', new Linear(size, size, init));
    this.dense1 = this.child('dense1', new Linear(size, size, init));
    if (merges) this.mergeLayer = this.child('merge_layer', new Linear(2 * size, size, init));
  }

  /** @param x the input of the attention; all [B, T, D] */
  forward(x: tf.Tensor, attended0: tf.Tensor, attended1: tf.Tensor, rng?: Rng): tf.Tensor {
    const [said0, said1] = [this.dense0.forward(attended0, rng), this.dense1.forward(attended1, rng)];
    const merged = this.mergeLayer
      ? this.mergeLayer.forward(tf.concat([said0, said1], -1), rng)
      : said0.add(said1).div(2);
    const kept = dropoutIn(this.noiseFrom(rng), merged, this.config.hiddenDropout);
    return this.layerNorm.forward(kept.add(x));
  }
}

/** Cross-attention to two images, each with its own keys and values. */
export class TwinCrossAttention extends Module implements CrossAttention {
  readonly self0: MedSelfAttention;
  readonly self1: MedSelfAttention;
  readonly output: TwinOutput;

  /** @param layer its number, from 0 */
  constructor(config: MedConfig, layer: number) {
    super();
    this.self0 = this.child('self0', new MedSelfAttention(config, config.encoderWidth));
    this.self1 = this.child('self1', new MedSelfAttention(config, config.encoderWidth));
    this.output = this.child('output', new TwinOutput(config, layer >= FIRST_MERGED));
  }

  /** @param x [B, T, D]; @param images [2, B, N, encoderWidth] */
  attend(x: tf.Tensor, images: tf.Tensor, mask?: tf.Tensor, rng?: Rng): tf.Tensor {
    const [image0, image1] = tf.unstack(images);
    const attended0 = this.self0.forward(x, this.self0.projectKV(image0, rng), mask, rng);
    const attended1 = this.self1.forward(x, this.self1.projectKV(image1, rng), mask, rng);
    return this.output.forward(x, attended0, attended1, rng);
  }
}

/** NLVR's text encoder: its `states` are two images, [2, B, N, encoderWidth]. Source: lavis/models/nlvr_encoder.py. */
export const twinEncoder = (config: MedConfig): MedModel<TwinCrossAttention> =>
  new MedModel(
    config,
    Array.from({ length: config.layers }, (_, i) => {
      const attention = new MedAttention(config, config.hiddenSize, { normFirst: true });
      return new MedLayer(config, new TwinCrossAttention(config, i), undefined, attention);
    }),
  );
