import type { Rng } from '../../common/random.js';
import { tf } from '../../engine/index.js';
import { Module } from '../../nn/index.js';
import type { EncodedTexts } from '../tokenizer/tokenizer.js';
import type { MedConfig } from './config.js';
import type { KVCache } from './kv_cache.js';
import { type CrossAttention, type LayerInputs, MedAttention, MedEmbeddings, MedLayer } from './layers.js';
import { type AttentionMask, CROSS_MASKED, paddingMask } from './masks.js';

/** What a text is read beside; nothing of it is mode "text", in which every cross-attention is skipped. */
export interface ReadBeside {
  /** What cross-attention attends to: an image's tokens, or another text's, [B, N, encoderWidth]. */
  states: tf.Tensor;
  /** Which of them count, [B][N]; all where left out. */
  statesMask?: AttentionMask;
}

/** Ids as a tensor, int32 [B, T]. */
export const idsTensor = (rows: readonly (readonly number[])[]): tf.Tensor2D =>
  tf.tensor2d(rows.flat(), [rows.length, rows[0].length], 'int32');

/** The additive mask of cross-attention; undefined where all counts. */
export const crossMask = (beside?: Partial<ReadBeside>): tf.Tensor | undefined =>
  beside?.statesMask && paddingMask(beside.statesMask, CROSS_MASKED);

/** The layers of a BERT, one after the other. */
class MedStack<C extends CrossAttention> extends Module {
  readonly layers: MedLayer<C>[];

  constructor(layers: MedLayer<C>[]) {
    super();
    this.layers = this.childList('layer', layers);
  }

  /** @param x [B, T, D] */
  forward(x: tf.Tensor, inputs: Omit<LayerInputs, 'cache'>, rng?: Rng, cache?: KVCache): tf.Tensor {
    return this.layers.reduce(
      (state, layer, i) => tf.tidy(() => layer.forward(state, { ...inputs, cache: cache?.layers[i] }, rng)),
      x,
    );
  }
}

/** Embeddings and layers, without a head or a pooler. */
export class MedModel<C extends CrossAttention = MedAttention> extends Module {
  readonly embeddings: MedEmbeddings;
  readonly encoder: MedStack<C>;

  constructor(
    readonly config: MedConfig,
    layers: MedLayer<C>[],
    embeddings = new MedEmbeddings(config),
  ) {
    super();
    this.embeddings = this.child('embeddings', embeddings);
    this.encoder = this.child('encoder', new MedStack(layers));
  }

  /**
   * Reads texts in both directions: every token sees all others of its text.
   * @returns the states of all tokens, [B, T, D]
   */
  forward({ inputIds, attentionMask }: EncodedTexts, beside?: ReadBeside, rng?: Rng): tf.Tensor3D {
    return tf.tidy(() => {
      const x = this.embeddings.forward(idsTensor(inputIds), undefined, rng); // [B, T, D]
      const mask = paddingMask(attentionMask);
      const inputs = { mask, states: beside?.states, statesMask: crossMask(beside) };
      return this.encoder.forward(x, inputs, rng) as tf.Tensor3D;
    });
  }
}

/** The layers of a plain BERT with cross-attention. */
export const medLayers = (config: MedConfig): MedLayer[] =>
  Array.from(
    { length: config.layers },
    () => new MedLayer(config, new MedAttention(config, config.encoderWidth)),
  );

/**
 * BLIP's text encoder: BERT, which reads a text alone, or grounded in an image through cross-attention in every
 * layer. Source: arXiv:2201.12086, section 3; lavis/models/med.py, XBertEncoder.
 */
export class TextEncoder extends MedModel {
  constructor(config: MedConfig) {
    super(config, medLayers(config));
  }
}
