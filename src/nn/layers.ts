import type { Rng } from '../common/random.js';
import { type Dropout, dropout, gelu, layerNorm, linear, linearParts, tf } from '../engine/index.js';
import { type Initializer, normal, ones, zeros } from './init.js';
import { Module } from './module.js';

/** y = x Wᵀ + b. weight [out, in], bias [out]. */
export class Linear extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;

  constructor(inFeatures: number, outFeatures: number, init: Initializer) {
    super();
    this.weight = this.parameter('weight', [outFeatures, inFeatures], init);
    this.bias = this.parameter('bias', [outFeatures], zeros);
  }

  /** @param x [..., in]; returns [..., out]. */
  forward(x: tf.Tensor): tf.Tensor {
    return linear(x, this.weight, this.bias);
  }

  /** @param x [..., in]; returns `parts` tensors [..., out / parts]. */
  forwardParts(x: tf.Tensor, parts: number): tf.Tensor[] {
    return linearParts(x, this.weight, this.bias, parts);
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

  forward(x: tf.Tensor): tf.Tensor {
    return this.fc2.forward(gelu(this.fc1.forward(x)));
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
