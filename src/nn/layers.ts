import { Rng } from '../common/random.js';
import {
  type Dropout,
  dropout,
  gelu,
  type LinearWeights,
  layerNorm,
  project,
  projectParts,
  type QuantizedWeight,
  quantizeWeight,
  recompute,
  tf,
} from '../engine/index.js';
import { type Initializer, normal, ones, uniformFanIn, zeros } from './init.js';
import { Module } from './module.js';

/** How a linear layer is adapted. */
export interface LoraSettings {
  /** Of the matrices that are trained in place of the weight. */
  r: number;
  /** What their product is multiplied by. */
  scale: number;
  /** Of the input, on the adapter's way alone. */
  dropout: number;
}

/** One of an adapter's two matrices: a linear layer without a bias. weight [out, in]. */
class Factor extends Module {
  readonly weight: tf.Variable;

  constructor(inFeatures: number, outFeatures: number, init: Initializer) {
    super();
    this.weight = this.parameter('weight', [outFeatures, inFeatures], init);
  }
}

/** A module whose weight may be rounded to 8 bits, for inference. */
export interface Quantizable {
  quantize(): void;
}

/** y = x Wᵀ + b. weight [out, in], bias [out]; with an adapter lora_A.weight [r, in] and lora_B.weight [out, r] too. */
export class Linear extends Module implements Quantizable {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;
  #lora?: LoraSettings & { down: Factor; up: Factor };
  #quantized?: QuantizedWeight;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    init: Initializer,
  ) {
    super();
    this.weight = this.parameter('weight', [outFeatures, inFeatures], init);
    this.bias = this.parameter('bias', [outFeatures], zeros);
  }

  /**
   * Puts a low-rank adapter beside the weight, which begins as nothing: W + scale · B · A. Its first values are
   * those of PEFT (A Kaiming uniform with a = √5, B zero), once `initialize` draws them. Source: arXiv:2106.09685.
   */
  adapt(settings: LoraSettings): void {
    if (this.#lora) throw new RangeError('the layer is adapted already');
    const { inFeatures, outFeatures } = this;
    const down = this.child('lora_A', new Factor(inFeatures, settings.r, uniformFanIn(inFeatures)));
    const up = this.child('lora_B', new Factor(settings.r, outFeatures, zeros));
    this.#lora = { ...settings, down, up };
  }

  /** The rank of the adapter; undefined where there is none. */
  get rank(): number | undefined {
    return this.#lora?.r;
  }

  /** Adds a low-rank product to the weight. @param down [r, in] @param up [out, r] */
  add(down: tf.Tensor, up: tf.Tensor, scale: number): void {
    tf.tidy(() => {
      const product = tf.matMul(up as tf.Tensor2D, down as tf.Tensor2D).mul(scale);
      this.weight.assign(this.weight.add(product));
    });
  }

  /** Makes the adapter a part of the weight; without one, nothing. */
  merge(): void {
    if (!this.#lora) return;
    const { down, up, scale } = this.#lora;
    this.add(down.weight, up.weight, scale);
    this.#lora = undefined;
    this.removeChild('lora_A');
    this.removeChild('lora_B');
  }

  /** Rounds the weight to 8 bits, for inference on the CPU engine; it is not a parameter from then on. */
  quantize(): void {
    if (this.#lora) throw new RangeError('merge the adapter before quantizing its layer');
    if (this.#quantized) return;
    const quantized = quantizeWeight(this.weight);
    // What tells models apart by their state finds something of the weight there.
    this.buffer('weight_scales', () => tf.tensor1d(quantized.scales));
    this.removeParameter('weight');
    this.#quantized = quantized;
  }

  /** The layer as operations take it. @param rng in training, for the adapter's dropout */
  weights(rng?: Rng): LinearWeights {
    const { weight, bias } = this;
    if (!this.#lora) return { weight, bias, adapter: undefined, quantized: this.#quantized };
    const { down, up, scale, dropout: rate } = this.#lora;
    const drop = dropoutOf(this.noiseFrom(rng), rate);
    return { weight, bias, adapter: { down: down.weight, up: up.weight, scale, dropout: drop } };
  }

  /** @param x [..., in]; returns [..., out]. */
  forward(x: tf.Tensor, rng?: Rng): tf.Tensor {
    return project(x, this.weights(rng));
  }

  /** @param x [..., in]; returns `parts` tensors [..., out / parts]. */
  forwardParts(x: tf.Tensor, parts: number, rng?: Rng): tf.Tensor[] {
    return projectParts(x, this.weights(rng), parts);
  }
}

/** Layer normalization over the last axis. weight, bias [size]. */
export class LayerNorm extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;

  constructor(
    size: number,
    readonly eps: number,
  ) {
    super();
    this.weight = this.parameter('weight', [size], ones);
    this.bias = this.parameter('bias', [size], zeros);
  }

  forward(x: tf.Tensor): tf.Tensor {
    return layerNorm(x, this.weight, this.bias, this.eps);
  }
}

/** Rows of a table. weight [rows, size]. */
export class Embedding extends Module {
  readonly weight: tf.Variable;

  constructor(rows: number, size: number, std: number) {
    super();
    this.weight = this.parameter('weight', [rows, size], normal(std));
  }

  /** @param ids int32 of any shape; returns [...ids.shape, size]. */
  forward(ids: tf.Tensor): tf.Tensor {
    return tf.gather(this.weight, ids as tf.Tensor1D);
  }
}

/** fc1, exact GELU, fc2: the feed-forward part of a transformer block. */
export class Mlp extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(size: number, hidden: number, init: Initializer) {
    super();
    this.fc1 = this.child('fc1', new Linear(size, hidden, init));
    this.fc2 = this.child('fc2', new Linear(hidden, size, init));
  }

  forward(x: tf.Tensor, rng?: Rng): tf.Tensor {
    return this.fc2.forward(gelu(this.fc1.forward(x, rng)), rng);
  }
}

/**
 * Zeroes a share of the elements and scales up the rest.
 * @param rng the model's generator in training; undefined in evaluation, where this is the identity.
 */
export function dropoutIn(rng: Rng | undefined, x: tf.Tensor, rate: number): tf.Tensor {
  const drop = dropoutOf(rng, rate);
  return drop ? dropout(x, drop.rate, drop.seed) : x;
}

/** The same for an operation that drops out inside; undefined in evaluation. */
export const dropoutOf = (rng: Rng | undefined, rate: number): Dropout | undefined =>
  rng && rate > 0 ? { rate, seed: rng.uint32() } : undefined;

/** Drops a whole residual branch for some of the samples. @param x [B, ...]. Source: arXiv:1603.09382. */
export function dropPathIn(rng: Rng | undefined, x: tf.Tensor, rate: number): tf.Tensor {
  if (!rng || rate <= 0) return x;
  const keep = 1 - rate;
  const scales = Float32Array.from({ length: x.shape[0] }, () => (rng.next() < keep ? 1 / keep : 0));
  return tf.mul(x, tf.tensor(scales, [x.shape[0], ...x.shape.slice(1).map(() => 1)]));
}

/** A layer of a stack: [B, T, D] in, [B, T, D] out. */
export interface Block extends Module {
  forward(x: tf.Tensor, rng?: Rng): tf.Tensor;
}

/**
 * Runs one layer of a stack and frees what its backward pass does not need.
 * @param keep 'saved' keeps what the gradients need, 'input' keeps only x and computes the rest again.
 */
export function runBlock(
  block: Block,
  x: tf.Tensor,
  rng: Rng | undefined,
  keep: 'saved' | 'input',
): tf.Tensor {
  // A second run must draw what the first drew, so each run gets a generator that starts anew; with 'saved'
  // too, so that the choice changes no result.
  const seed = block.isStill ? undefined : rng?.uint32();
  const forward = (input: tf.Tensor) => block.forward(input, seed === undefined ? undefined : Rng.of(seed));
  if (keep === 'saved') return tf.tidy(() => forward(x));
  return recompute(forward, x, [...block.namedParameters().values()]);
}
