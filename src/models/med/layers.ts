import type { Rng } from '../common/random.js';
import {
  attention,
  attentionPart,
  feedForwardPart,
  gelu,
  type KeysAndValues,
  linear,
  rememberedPart,
  residual,
  splitHeads,
  tf,
} from '../engine/index.js';
import { dropoutIn, Embedding, LayerNorm, Linear, Module, normal, zeros } from '../nn/index.js';

/** The values of a BERT configuration that the decoder takes; see med_config.ts. */
export interface MedConfig {
  vocabSize: number;
  /** D, a multiple of heads. */
  hiddenSize: number;
  layers: number;
  heads: number;
  intermediateSize: number;
  maxPositions: number;
  /** Width of the image tokens. */
  encoderWidth: number;
  hiddenDropout: number;
  attentionDropout: number;
  layerNormEps: number;
  initializerRange: number;
}

/** What queries attend to: [B, Tk, D], or with its heads split already, [B, H, Tk, D / H]. */
export type Memory = KeysAndValues;

/** The score added where a query must not look. Source: transformers 4.20, get_extended_attention_mask. */
export const MASKED = -10000;

/** Queries from the text; keys and values from `from`: the text itself, or the image. */
class MedSelfAttention extends Module {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;

  constructor(
    readonly config: MedConfig,
    from: number,
  ) {
    super();
    const { hiddenSize, initializerRange } = config;
    const init = normal(initializerRange);
    this.query = this.child('query', new Linear(hiddenSize, hiddenSize, init));
    this.key = this.child('key', new Linear(from, hiddenSize, init));
    this.value = this.child('value', new Linear(from, hiddenSize, init));
  }

  /** @param states [B, Tk, from] */
  remember(states: tf.Tensor): Memory {
    return { key: this.key.forward(states), value: this.value.forward(states) };
  }

  /** What the past and, behind it, the new states are remembered by. @param states [B, T, D] */
  rememberMore(states: tf.Tensor, past: Memory): Memory {
    const { key, value } = this;
    return rememberedPart({ x: states, key, value, past }, () => joined(past, this.remember(states)));
  }

  /** @param x [B, T, D]; @param mask added to the scores, [B, 1, T, Tk]. */
  forward(x: tf.Tensor, { key, value }: Memory, mask?: tf.Tensor, rng?: Rng): tf.Tensor {
    const { heads, attentionDropout: rate } = this.config;
    const dropout = rng && rate > 0 ? { rate, seed: rng.uint32() } : undefined;
    return attention(this.query.forward(x), key, value, { numHeads: heads, mask, dropout });
  }
}

/** Projects, drops out, adds the input and normalizes: the end of both halves of a layer. */
class MedOutput extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;

  constructor(
    readonly config: MedConfig,
    from: number,
  ) {
    super();
    const { hiddenSize, initializerRange, layerNormEps } = config;
    this.dense = this.child('dense', new Linear(from, hiddenSize, normal(initializerRange)));
    this.layerNorm = this.child('LayerNorm', new LayerNorm(hiddenSize, layerNormEps));
  }

  /** @param x [B, T, from]; @param input [B, T, D]. */
  forward(x: tf.Tensor, input: tf.Tensor, rng?: Rng): tf.Tensor {
    const projected = dropoutIn(rng, this.dense.forward(x), this.config.hiddenDropout);
    return this.layerNorm.forward(residual(projected, input));
  }
}

/** Attention with its output layer; `self` does the attending. */
class MedAttention extends Module {
  readonly self: MedSelfAttention;
  readonly output: MedOutput;

  constructor(config: MedConfig, from: number) {
    super();
    this.self = this.child('self', new MedSelfAttention(config, from));
    this.output = this.child('output', new MedOutput(config, config.hiddenSize));
  }

  /** @param x [B, T, D]; @param mask added to the scores, [B, 1, T, Tk]. */
  forward(x: tf.Tensor, memory: Memory, mask?: tf.Tensor, rng?: Rng): tf.Tensor {
    const attended = () => this.output.forward(this.self.forward(x, memory, mask, rng), x, rng);
    if (rng) return attended();
    const { query, config } = this.self;
    const { dense: output, layerNorm: norm } = this.output;
    return attentionPart({ x, memory, mask, numHeads: config.heads, query, output, norm }, attended);
  }
}

class MedIntermediate extends Module {
  readonly dense: Linear;

  constructor({ hiddenSize, intermediateSize, initializerRange }: MedConfig) {
    super();
    this.dense = this.child('dense', new Linear(hiddenSize, intermediateSize, normal(initializerRange)));
  }

  forward(x: tf.Tensor): tf.Tensor {
    return gelu(this.dense.forward(x));
  }
}

/** Self-attention over the text, cross-attention over the image, feed-forward; normalized after each. */
class MedLayer extends Module {
  readonly attention: MedAttention;
  readonly crossattention: MedAttention;
  readonly intermediate: MedIntermediate;
  readonly output: MedOutput;

  constructor(config: MedConfig) {
    super();
    this.attention = this.child('attention', new MedAttention(config, config.hiddenSize));
    this.crossattention = this.child('crossattention', new MedAttention(config, config.encoderWidth));
    this.intermediate = this.child('intermediate', new MedIntermediate(config));
    this.output = this.child('output', new MedOutput(config, config.intermediateSize));
  }

  /** @param x [B, T, D]; @param text what self-attention sees; @param image what cross-attention sees. */
  forward(x: tf.Tensor, text: Memory, image: Memory, mask?: tf.Tensor, rng?: Rng): tf.Tensor {
    const read = this.attention.forward(x, text, mask, rng);
    const seen = this.crossattention.forward(read, image, undefined, rng);
    const fed = () => this.output.forward(this.intermediate.forward(seen), seen, rng);
    if (rng) return fed();
    const { dense: output, layerNorm: norm } = this.output;
    return feedForwardPart({ x: seen, intermediate: this.intermediate.dense, output, norm }, fed);
  }
}

/** Words plus positions, normalized; no token types. */
class MedEmbeddings extends Module {
  readonly wordEmbeddings: Embedding;
  readonly positionEmbeddings: Embedding;
  readonly layerNorm: LayerNorm;

  constructor(readonly config: MedConfig) {
    super();
    const { vocabSize, hiddenSize, maxPositions, initializerRange, layerNormEps } = config;
    this.buffer('position_ids', () => tf.range(0, maxPositions, 1, 'int32').expandDims(0));
    this.wordEmbeddings = this.child(
      'word_embeddings',
      new Embedding(vocabSize, hiddenSize, initializerRange),
    );
    const positions = new Embedding(maxPositions, hiddenSize, initializerRange);
    this.positionEmbeddings = this.child('position_embeddings', positions);
    this.layerNorm = this.child('LayerNorm', new LayerNorm(hiddenSize, layerNormEps));
  }

  /** @param ids int32 [B, T]; @param at the position of all T tokens; 0, 1, … where left out. */
  forward(ids: tf.Tensor, at?: number, rng?: Rng): tf.Tensor {
    const words = this.wordEmbeddings.forward(ids); // [B, T, D]
    const count = at === undefined ? ids.shape[1]! : 1;
    const positions = tf.slice(this.positionEmbeddings.weight, [at ?? 0, 0], [count, -1]); // [T or 1, D]
    return dropoutIn(rng, this.layerNorm.forward(words.add(positions)), this.config.hiddenDropout);
  }
}

class MedEncoder extends Module {
  readonly layers: MedLayer[];

  constructor(config: MedConfig) {
    super();
    this.layers = this.childList(
      'layer',
      Array.from({ length: config.layers }, () => new MedLayer(config)),
    );
  }
}

class MedModel extends Module {
  readonly embeddings: MedEmbeddings;
  readonly encoder: MedEncoder;

  constructor(config: MedConfig) {
    super();
    this.embeddings = this.child('embeddings', new MedEmbeddings(config));
    this.encoder = this.child('encoder', new MedEncoder(config));
  }
}

class HeadTransform extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;

  constructor({ hiddenSize, initializerRange, layerNormEps }: MedConfig) {
    super();
    this.dense = this.child('dense', new Linear(hiddenSize, hiddenSize, normal(initializerRange)));
    this.layerNorm = this.child('LayerNorm', new LayerNorm(hiddenSize, layerNormEps));
  }

  forward(x: tf.Tensor): tf.Tensor {
    return this.layerNorm.forward(gelu(this.dense.forward(x)));
  }
}

/** The scores of all words: its weight is the word embedding itself. */
class TiedDecoder extends Module {
  constructor(
    readonly weight: tf.Variable,
    readonly bias: tf.Variable,
  ) {
    super();
    this.tied('weight', weight);
    this.tied('bias', bias);
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
  forward(x: tf.Tensor): tf.Tensor3D {
    return linear(this.transform.forward(x), this.decoder.weight, this.decoder.bias) as tf.Tensor3D;
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

/** One reading of the decoder with kept memories; the caller owns the tensors. */
export type DecoderStep = {
  /** [B, V] or [B, T, V] */
  logits: tf.Tensor;
  /** Self-attention's memory of each layer, the new tokens at its end. */
  text: Memory[];
};

/**
 * BLIP's text decoder: BERT that attends to the image in every layer and predicts the next word.
 * Source: arXiv:2201.12086, section 3; lavis/models/med.py.
 */
export class TextDecoder extends Module {
  readonly bert: MedModel;
  readonly cls: HeadHolder;

  constructor(readonly config: MedConfig) {
    super();
    this.bert = this.child('bert', new MedModel(config));
    this.cls = this.child('cls', new HeadHolder(config, this.bert.embeddings.wordEmbeddings.weight));
  }

  /**
   * Reads whole texts.
   * @param ids int32 [B, T]
   * @param imageEmbeds [B, N, encoderWidth]
   * @param mask added to the scores of self-attention, [B, 1, T, T]
   * @returns logits [B, T, V]
   */
  forward(ids: tf.Tensor, imageEmbeds: tf.Tensor, mask: tf.Tensor, rng?: Rng): tf.Tensor3D {
    let x = this.bert.embeddings.forward(ids, undefined, rng); // [B, T, D]
    for (const layer of this.bert.encoder.layers) {
      x = tf.tidy(() => {
        const text = layer.attention.self.remember(x);
        const image = layer.crossattention.self.remember(imageEmbeds);
        return layer.forward(x, text, image, mask, rng);
      });
    }
    return this.cls.predictions.forward(x);
  }

  /** The image as each layer's cross-attention sees it: computed once, used at every step. */
  rememberImage(imageEmbeds: tf.Tensor): Memory[] {
    const { heads } = this.config;
    return this.bert.encoder.layers.map((layer) =>
      tf.tidy(() => {
        const { key, value } = layer.crossattention.self.remember(imageEmbeds);
        return { key: splitHeads(key, heads), value: splitHeads(value, heads) };
      }),
    );
  }

  /**
   * Reads the beginning of texts and predicts only the word after it.
   * @param ids int32 [B, T]
   * @returns logits [B, V]
   */
  begin(ids: tf.Tensor, image: Memory[], mask: tf.Tensor): DecoderStep {
    return this.#read(this.bert.embeddings.forward(ids), image, mask, undefined, true);
  }

  /**
   * Reads one more word of each of T continuations of B texts.
   * @param ids int32 [B, T]: the T words stand at the same position, each in a continuation of its own
   * @param mask [B, 1, T, past + T]: which kept words each continuation consists of
   * @returns logits [B, T, V]
   */
  continue(ids: tf.Tensor, position: number, image: Memory[], mask: tf.Tensor, past: Memory[]): DecoderStep {
    return this.#read(this.bert.embeddings.forward(ids, position), image, mask, past, false);
  }

  #read(
    embedded: tf.Tensor,
    image: Memory[],
    mask: tf.Tensor,
    past: Memory[] | undefined,
    lastOnly: boolean,
  ) {
    let x = embedded;
    const text = this.bert.encoder.layers.map((layer, i) => {
      const { self } = layer.attention;
      const memory = past ? self.rememberMore(x, past[i]) : self.remember(x);
      x = layer.forward(x, memory, image[i], mask);
      return memory;
    });
    if (lastOnly) x = x.slice([0, x.shape[1]! - 1], [-1, 1]); // [B, 1, D]
    const logits = this.cls.predictions.forward(x);
    return { logits: lastOnly ? logits.squeeze([1]) : logits, text };
  }
}

const joined = (before: Memory, after: Memory): Memory => ({
  key: tf.concat([before.key, after.key], 1),
  value: tf.concat([before.value, after.value], 1),
});
