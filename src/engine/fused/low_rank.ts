import { tf } from '../tf.js';
import { dropout } from './dropout.js';
import { residual } from './elementwise.js';
import { linear, linearParts } from './linear.js';
import { type QuantizedWeight, quantizedLinear } from './quantized.js';

/** What is zeroed at random: a share of the elements, chosen by the seed. */
export interface Dropout {
  rate: number;
  seed: number;
}

/** What is added to a weight: scale · up · down. Source: arXiv:2106.09685. */
export interface LowRank {
  /** [r, I] */
  down: tf.Tensor;
  /** [O, r] */
  up: tf.Tensor;
  scale: number;
  /** Of the input, on this way alone. */
  dropout?: Dropout;
}

/** weight [O, I], bias [O] */
export interface LinearWeights {
  weight: tf.Tensor;
  bias: tf.Tensor;
  /** Named even where there is none, so that no adapter is passed over by mistake. */
  adapter: LowRank | undefined;
  /** In place of the weight, for inference. */
  quantized?: QuantizedWeight;
}

/** x (W + scale · up · down)ᵀ + b, without making that weight. @param x [..., I] @returns [..., O] */
export function project(x: tf.Tensor, { weight, bias, adapter, quantized }: LinearWeights): tf.Tensor {
  if (quantized) return quantizedLinear(x, quantized, bias);
  const y = linear(x, weight, bias);
  return adapter ? residual(y, linear(narrowed(x, adapter), adapter.up)) : y;
}

/** `project` whose result is cut along its last axis. @returns `parts` tensors [..., O / parts] */
export function projectParts(x: tf.Tensor, layer: LinearWeights, parts: number): tf.Tensor[] {
  const { weight, bias, adapter, quantized } = layer;
  if (quantized) return tf.split(quantizedLinear(x, quantized, bias), parts, -1);
  const cut = linearParts(x, weight, bias, parts);
  if (!adapter) return cut;
  const narrow = narrowed(x, adapter);
  const ups = tf.split(adapter.up, parts, 0); // small, unlike the result
  return cut.map((y, i) => residual(y, linear(narrow, ups[i])));
}

/** scale · down · dropout(x): [..., r] */
function narrowed(x: tf.Tensor, { down, scale, dropout: drop }: LowRank): tf.Tensor {
  return linear(drop ? dropout(x, drop.rate, drop.seed) : x, down).mul(scale);
}
