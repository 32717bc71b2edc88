import type { Rng } from '../../common/random.js';
import {
  attention,
  attentionPart,
  type Dropout,
  feedForwardPart,
  type KeysAndValues,
  postNorm,
  splitHeads,
  tf,
} from '../../engine/index.js';
import { dropoutIn, dropoutOf, Embedding, LayerNorm, Linear, Module, normal } from '../../nn/index.js';
import type { MedConfig } from './config.js';
import type { LayerCache } from './kv_cache.js';

/** Queries from the text; keys and values from the text itself, or from what cross-attention attends to. */
export class MedSelfAttention extends Module {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;

  /** @param from the width of what keys and values are made of */
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

  /** @param states [B, Tk, from]; returns [B, Tk, D] each. */
  projectKV(states: tf.Tensor, rng?: Rng): KeysAndValues {
    return { key: this.key.forward(states, rng), value: this.value.forward(states, rng) };
  }

  /** @param x [B, T, D]; @param mask added to the scores, [B, 1, T or 1, Tk]; returns [B, T, D]. */
  forward(x: tf.Tensor, { key, value }: KeysAndValues, mask?: tf.Tensor, rng?: Rng): tf.Tensor {
    const { heads, attentionDropout } = this.config;
    const dropout = dropoutOf(this.noiseFrom(rng), attentionDropout);
    return attention(this.query.forward(x, rng), key, value, { numHeads: heads, mask, dropout });
  }
}

/** Projects, drops out, adds the input and normalizes: the end of both halves of a layer. */
class MedOutput extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;

  /** @param normFirst the norm's parameters come before the projection's in the state dict */
  constructor(
    readonly config: MedConfig,
    from: number,
    { normFirst = false } = {},
  ) {
    super();
    const { hiddenSize, initializerRange, layerNormEps } = config;
    const dense = new Linear(from, hiddenSize, normal(initializerRange));
    const norm = new LayerNorm(hiddenSize, layerNormEps);
    if (normFirst) this.child('LayerNorm', norm);
    this.dense = this.child('dense', dense);
    this.layerNorm = this.child('LayerNorm', norm);
  }

  /** Of what the projection gives. */
  dropout(rng?: Rng): Dropout | undefined {
    return dropoutOf(this.noiseFrom(rng), this.config.hiddenDropout);
  }
}

/** What cross-attention may be: plain, or NLVR's over two images. */
export interface CrossAttention extends Module {
  /**
   * @param x [B, T, D]
   * @param seen what is attended to, or the keys and values of it
   * @param mask added to the scores, [B, 1, 1, N]
   */
  attend(x: tf.Tensor, seen: tf.Tensor | KeysAndValues, mask?: tf.Tensor, rng?: Rng): tf.Tensor;
}

/** Attention with its output layer; `self` does the attending. */
export class MedAttention extends Module implements CrossAttention {
  readonly self: MedSelfAttention;
  readonly output: MedOutput;

  /** @param from the width of what is attended to */
  constructor(
    readonly config: MedConfig,
    from: number,
    order: { normFirst?: boolean } = {},
  ) {
    super();
    this.self = this.child('self', new MedSelfAttention(config, from));
    this.output = this.child('output', new MedOutput(config, config.hiddenSize, order));
  }

  /** @param x [B, T, D]; @param seen [B, Tk, from], or its keys and values; @param mask [B, 1, T or 1, Tk]. */
  attend(x: tf.Tensor, seen: tf.Tensor | KeysAndValues, mask?: tf.Tensor, rng?: Rng): tf.Tensor {
    const { heads, attentionDropout } = this.config;
    return attentionPart({
      x,
      query: this.self.query.weights(rng),
      memory: seen instanceof tf.Tensor ? this.self.projectKV(seen, rng) : seen,
      mask,
      numHeads: heads,
      attentionDropout: dropoutOf(this.noiseFrom(rng), attentionDropout),
      output: this.output.dense.weights(rng),
      dropout: this.output.dropout(rng),
      norm: this.output.layerNorm,
    });
  }

  /** What each head looks at, [B, H, T, Tk]. @param x [B, T, D] @param seen [B, Tk, from] */
  probabilities(x: tf.Tensor, seen: tf.Tensor): tf.Tensor4D {
    const { heads, hiddenSize } = this.config;
    const [query, key] = [this.self.query.forward(x), this.self.key.forward(seen)].map((one) =>
      splitHeads(one, heads),
    );
    return tf.softmax(tf.matMul(query, key, false, true).div(Math.sqrt(hiddenSize / heads)));
  }

  /** What comes after attending. @param seen [B, T, D], what `self` gave for x. */
  finish(seen: tf.Tensor, x: tf.Tensor): tf.Tensor {
    return postNorm(seen, { x, output: this.output.dense.weights(), norm: this.output.layerNorm });
  }
}

class MedIntermediate extends Module {
  readonly dense: Linear;

  constructor({ hiddenSize, intermediateSize, initializerRange }: MedConfig) {
    super();
    this.dense = this.child('dense', new Linear(hiddenSize, intermediateSize, normal(initializerRange)));
  }
}

/** What a layer's two attentions see. */
export interface LayerInputs {
  /** Added to the scores of self-attention, [B, 1, T or 1, Tk]. */
  mask?: tf.Tensor;
  /** What cross-attention attends to, [B, N, encoderWidth]; without it, the layer has none. */
  states?: tf.Tensor;
  /** Added to the scores of cross-attention, [B, 1, 1, N]. */
  statesMask?: tf.Tensor;
  /** In place of `states`: its keys and values, and those of the tokens before. */
  cache?: LayerCache;
}

/** Self-attention over the text, cross-attention over the image, feed-forward; normalized after each. */
export class MedLayer<C extends CrossAttention = MedAttention> extends Module {
  readonly attention: MedAttention;
  readonly crossattention: C;
  readonly intermediate: MedIntermediate;
  readonly output: MedOutput;

  /**
   * @param shared a layer whose feed-forward part is this one's too
   * @param attention over the text itself
   */
  constructor(
    readonly config: MedConfig,
    crossattention: C,
    shared?: MedLayer<C>,
    attention = new MedAttention(config, config.hiddenSize),
  ) {
    super();
    this.attention = this.child('attention', attention);
    this.crossattention = this.child('crossattention', crossattention);
    this.intermediate = this.child('intermediate', shared?.intermediate ?? new MedIntermediate(config));
    this.output = this.child('output', shared?.output ?? new MedOutput(config, config.intermediateSize));
  }

  /** @param x [B, T, D] */
  forward(x: tf.Tensor, { mask, states, statesMask, cache }: LayerInputs, rng?: Rng): tf.Tensor {
    const read = cache ? cache.append(x, this.attention.self) : this.attention.self.projectKV(x, rng);
    const attended = this.attention.attend(x, read, mask, rng);
    const seen = cache?.cross ?? states;
    const grounded = seen ? this.crossattention.attend(attended, seen, statesMask, rng) : attended;
    return this.feedForward(grounded, rng);
  }

  /** @param x [B, T, D] */
  feedForward(x: tf.Tensor, rng?: Rng): tf.Tensor {
    return feedForwardPart({
      x,
      intermediate: this.intermediate.dense.weights(rng),
      output: this.output.dense.weights(rng),
      dropout: this.output.dropout(rng),
      norm: this.output.layerNorm,
    });
  }
}

/** Words plus positions, normalized; no token types. */
export class MedEmbeddings extends Module {
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
    const normalized = this.layerNorm.forward(words.add(positions));
    return dropoutIn(this.noiseFrom(rng), normalized, this.config.hiddenDropout);
  }
}
