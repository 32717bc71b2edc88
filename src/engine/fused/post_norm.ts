/**
 * The parts of a post-norm transformer layer, each in one kernel: a step of generation has so few rows that what
 * lies between kernels costs a fifth of it. The kernels take no gradient and drop nothing out: whoever records
 * gradients, wants dropout, has many rows, or runs on an engine without the kernel gets smaller operations.
 */

import { tf } from '../tf.js';
import { isTaping } from '../tfjs_internals.js';
import { attention } from './attention.js';
import { dropout } from './dropout.js';
import { residual } from './elementwise.js';
import { gelu } from './gelu.js';
import { layerNorm } from './layer_norm.js';
import { type Dropout, type LinearWeights, project } from './low_rank.js';
import { hasKernel, runKernel, runKernels } from './run.js';

/** weight [D], bias [D] */
export interface NormWeights {
  weight: tf.Tensor;
  bias: tf.Tensor;
  eps: number;
}

/** Keys and values [B, Tk, D], or with their heads split, [B, H, Tk, D / H]. */
export type KeysAndValues = {
  key: tf.Tensor;
  value: tf.Tensor;
};

/** Longer texts have products that are worth a kernel each. */
const MOST_TOKENS = 32;

/** @param x [B, T, D] @param layers whose kernels have plain weights */
const inOneKernel = (name: string, x: tf.Tensor, ...layers: LinearWeights[]): boolean =>
  hasKernel(name) &&
  !isTaping() &&
  x.size > 0 &&
  x.shape[1]! <= MOST_TOKENS &&
  layers.every(({ adapter, quantized }) => !adapter && !quantized);

/** The end of both parts: layerNorm(x + dropout(output(branch))). */
export interface PostNorm {
  /** [B, T, D], what goes around the part */
  x: tf.Tensor;
  output: LinearWeights;
  norm: NormWeights;
  /** Of the output layer's result. */
  dropout?: Dropout;
}

/** @param branch [B, T, I] @returns [B, T, D] */
export function postNorm(branch: tf.Tensor, { x, output, norm, dropout: drop }: PostNorm): tf.Tensor {
  const projected = project(branch, output);
  const kept = drop ? dropout(projected, drop.rate, drop.seed) : projected;
  return layerNorm(residual(kept, x), norm.weight, norm.bias, norm.eps);
}

export interface AttentionPart extends PostNorm {
  query: LinearWeights;
  memory: KeysAndValues;
  /** Added to the scores, broadcastable to [B, H, T, Tk]. */
  mask?: tf.Tensor;
  numHeads: number;
  /** Of the probabilities. */
  attentionDropout?: Dropout;
}

/** What the kernel is given of numbers. */
export interface AttentionPartAttrs {
  numHeads: number;
  eps: number;
}

/** layerNorm(x + output(attention(query(x), key, value))). @returns [B, T, D] */
export function attentionPart(part: AttentionPart): tf.Tensor {
  const { x, query, memory, mask, numHeads, output, norm, attentionDropout } = part;
  const certain = !attentionDropout && !part.dropout;
  if (!certain || !inOneKernel('LavisAttentionPart', x, query, output) || memory.key.size === 0) {
    const queries = project(x, query);
    const options = { numHeads, mask, dropout: attentionDropout };
    return postNorm(attention(queries, memory.key, memory.value, options), part);
  }
  const attrs: AttentionPartAttrs = { numHeads, eps: norm.eps };
  const weights = { ...named('query', query), ...named('output', output), ...named('norm', norm) };
  return runKernel('LavisAttentionPart', { x, ...memory, mask, ...weights }, attrs);
}

export interface FeedForwardPart extends PostNorm {
  intermediate: LinearWeights;
}

/** layerNorm(x + output(gelu(intermediate(x)))). @returns [B, T, D] */
export function feedForwardPart(part: FeedForwardPart): tf.Tensor {
  const { x, intermediate, output, norm } = part;
  if (part.dropout || !inOneKernel('LavisFeedForwardPart', x, intermediate, output)) {
    return postNorm(gelu(project(x, intermediate)), part);
  }
  const weights = {
    ...named('intermediate', intermediate),
    ...named('output', output),
    ...named('norm', norm),
  };
  return runKernel('LavisFeedForwardPart', { x, ...weights }, { eps: norm.eps });
}

export interface AppendedPart {
  /** [B, T, D] */
  x: tf.Tensor;
  key: LinearWeights;
  value: LinearWeights;
  /** [B, past, D] each */
  past: KeysAndValues;
}

/** Keys and values of x behind those of the past. @returns [B, past + T, D] each */
export function appendKeysAndValues({ x, key, value, past }: AppendedPart): KeysAndValues {
  if (!inOneKernel('LavisRememberedPart', x, key, value)) {
    const joined = (before: tf.Tensor, layer: LinearWeights) => tf.concat([before, project(x, layer)], 1);
    return { key: joined(past.key, key), value: joined(past.value, value) };
  }
  const inputs = {
    x,
    pastKey: past.key,
    pastValue: past.value,
    ...named('key', key),
    ...named('value', value),
  };
  const [keys, values] = runKernels('LavisRememberedPart', inputs);
  return { key: keys, value: values };
}

const named = (name: string, { weight, bias }: Pick<LinearWeights, 'weight' | 'bias'>) => ({
  [`${name}Weight`]: weight,
  [`${name}Bias`]: bias,
});
