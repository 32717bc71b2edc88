import type { Rng } from '../../common/random.js';
import {
  gelu,
  linear,
  type QuantizedWeight,
  quantizedLinear,
  quantizeWeight,
  tf,
} from '../../engine/index.js';
import { LayerNorm, Linear, Module, normal, zeros } from '../../nn/index.js';
import type { EncodedTexts } from '../tokenizer/tokenizer.js';
import type { MedConfig } from './config.js';
import { crossMask, idsTensor, MedModel, medLayers, type ReadBeside, type TextEncoder } from './encoder.js';
import { KVCache, LayerCache, withHeads } from './kv_cache.js';
import { type MedAttention, MedLayer } from './layers.js';
import { type AttentionMask, causalMask, placesMask } from './masks.js';

class HeadTransform extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;

  constructor({ hiddenSize, initializerRange, layerNormEps }: MedConfig) {
    super();
    this.dense = this.child('dense', new Linear(hiddenSize, hiddenSize, normal(initializerRange)));
    this.layerNorm = this.child('LayerNorm', new LayerNorm(hiddenSize, layerNormEps));
  }

  forward(x: tf.Tensor, rng?: Rng): tf.Tensor {
    return this.layerNorm.forward(gelu(this.dense.forward(x, rng)));
  }
}

/** The scores of all words: its weight is the word embedding itself, unless a checkpoint has another (`untie`). */
class TiedDecoder extends Module {
  #weight: tf.Variable;
  #quantized?: QuantizedWeight;

  constructor(
    embedding: tf.Variable,
    readonly bias: tf.Variable,
  ) {
    super();
    this.#weight = this.tied('weight', embedding, (own) => {
      this.#weight = own;
    });
    this.tied('bias', bias);
  }

  get weight(): tf.Variable {
    return this.#weight;
  }

  /** Rounds what the scores are made with to 8 bits; the word embedding stays as it is. */
  quantize(): void {
    this.#quantized ??= quantizeWeight(this.#weight);
  }

  /** @param x [B, T, D]; returns logits [B, T, V]. */
  forward(x: tf.Tensor): tf.Tensor3D {
    const scores = this.#quantized
      ? quantizedLinear(x, this.#quantized, this.bias)
      : linear(x, this.#weight, this.bias);
    return scores as tf.Tensor3D;
  }
}

class PredictionHead extends Module {
  readonly bias: tf.Variable;
  readonly transform: HeadTransform;
  readonly decoder: TiedDecoder;

  constructor(config: MedConfig, wordEmbedding: tf.Variable) {
    super();
    this.bias = this.parameter('bias', [config.vocabSize], zeros);
    this.transform = this.child('transform', new HeadTransform(config));
    this.decoder = this.child('decoder', new TiedDecoder(wordEmbedding, this.bias));
  }

  /** @param x [B, T, D]; returns logits [B, T, V]. */
  forward(x: tf.Tensor, rng?: Rng): tf.Tensor3D {
    return this.decoder.forward(this.transform.forward(x, rng));
  }
}

/** Holds the head under the name that PyTorch's has. */
class HeadHolder extends Module {
  readonly predictions: PredictionHead;

  constructor(config: MedConfig, wordEmbedding: tf.Variable) {
    super();
    this.predictions = this.child('predictions', new PredictionHead(config, wordEmbedding));
  }
}

/**
 * BLIP's text decoder: BERT that attends to an image (or to other encoded tokens) in every layer and predicts
 * the next word. Source: arXiv:2201.12086, section 3; lavis/models/med.py, XBertLMHeadDecoder.
 */
export class TextDecoder extends Module {
  readonly bert: MedModel;
  readonly cls: HeadHolder;

  /**
   * @param encoder whose embeddings, cross-attention and feed-forward parts are this decoder's too; only
   *   self-attention is its own. Source: lavis/models/blip_models/blip.py, tie_encoder_decoder_weights.
   */
  constructor(
    readonly config: MedConfig,
    encoder?: TextEncoder,
  ) {
    super();
    const layers = encoder
      ? encoder.encoder.layers.map((layer) => new MedLayer(config, layer.crossattention, layer))
      : medLayers(config);
    this.bert = this.child('bert', new MedModel(config, layers, encoder?.embeddings));
    this.cls = this.child('cls', new HeadHolder(config, this.bert.embeddings.wordEmbeddings.weight));
  }

  /** Reads whole texts, each token seeing those before it. @returns logits of the next word, [B, T, V] */
  forward({ inputIds, attentionMask }: EncodedTexts, beside: ReadBeside, rng?: Rng): tf.Tensor3D {
    const { embeddings, encoder } = this.bert;
    return tf.tidy(() => {
      const x = embeddings.forward(idsTensor(inputIds), undefined, rng); // [B, T, D]
      const mask = causalMask(attentionMask);
      const inputs = { mask, states: beside.states, statesMask: crossMask(beside) };
      return this.cls.predictions.forward(encoder.forward(x, inputs, rng), rng);
    });
  }

  /**
   * What each word looks at of the image as texts are read: cross-attention's probabilities, the mean over layers and
   * heads.
   * @returns [B, T, N]
   */
  crossAttention({ inputIds, attentionMask }: EncodedTexts, { states }: ReadBeside): tf.Tensor3D {
    const { embeddings, encoder } = this.bert;
    return tf.tidy(() => {
      const mask = causalMask(attentionMask);
      let x = embeddings.forward(idsTensor(inputIds)); // [B, T, D]
      const seen: tf.Tensor[] = [];
      for (const layer of encoder.layers) {
        const attended = layer.attention.attend(x, x, mask);
        seen.push(layer.crossattention.probabilities(attended, states).mean(1));
        x = layer.feedForward(layer.crossattention.attend(attended, states));
      }
      return tf.addN(seen).div(seen.length);
    });
  }

  /** A cache for texts that grow beside `states`, whose keys and values are made once. The caller disposes it. */
  newCache(states: tf.Tensor): KVCache {
    const { heads } = this.config;
    const crossKV = (attention: MedAttention) =>
      tf.tidy(() => withHeads(attention.self.projectKV(states), heads));
    const layers = this.bert.encoder.layers;
    return new KVCache(layers.map(({ crossattention }) => new LayerCache(crossKV(crossattention))));
  }

  /**
   * Reads the beginning of texts, of one length, and predicts only the word after it.
   * @param ids [B][T]
   * @returns logits [B, V]
   */
  prefill(ids: readonly (readonly number[])[], cache: KVCache, statesMask?: AttentionMask): tf.Tensor2D {
    return tf.tidy(() => {
      const x = this.bert.embeddings.forward(idsTensor(ids)); // [B, T, D]
      // Every text has the same length: one mask serves all.
      const inputs = { mask: causalMask([ids[0].map(() => 1)]), statesMask: crossMask({ statesMask }) };
      const states = this.bert.encoder.forward(x, inputs, undefined, cache);
      const last = states.slice([0, states.shape[1]! - 1], [-1, 1]); // [B, 1, D]
      return this.cls.predictions.forward(last).squeeze<tf.Tensor2D>([1]);
    });
  }

  /**
   * Reads one more word of each of T continuations of B texts.
   * @param ids [B][T]: the T words stand at the same position, each in its own continuation
   * @param places [B][T]: which cached words, itself included, each continuation consists of
   * @param cached words in the cache, these T included
   * @returns logits [B, T, V]
   */
  decodeStep(
    ids: readonly (readonly number[])[],
    position: number,
    cache: KVCache,
    { places, cached, statesMask }: StepMasks,
  ): tf.Tensor3D {
    return tf.tidy(() => {
      const x = this.bert.embeddings.forward(idsTensor(ids), position); // [B, T, D]
      const inputs = { mask: placesMask(places, cached), statesMask: crossMask({ statesMask }) };
      return this.cls.predictions.forward(this.bert.encoder.forward(x, inputs, undefined, cache));
    });
  }
}

/** What a decoding step sees of its cache. */
export interface StepMasks {
  places: readonly (readonly (readonly number[])[])[];
  cached: number;
  statesMask?: AttentionMask;
}
