/**
 * The parts of a post-norm transformer layer, each in one kernel: a step of generation has so few rows that what
 * lies between kernels costs a fifth of it. They take no gradient. Each is given the same as a composition of
 * smaller operations, for whoever records gradients, has many rows, or runs on an engine without the kernel.
 */
import { isTaping } from '../record.js';
import type { tf } from '../tf.js';
import { hasKernel, runKernel, runKernels } from './run.js';

/** weight [O, I], bias [O] */
export interface LinearWeights {
  weight: tf.Tensor;
  bias: tf.Tensor;
}

/** weight [D], bias [D] */
export interface NormWeights extends LinearWeights {
  eps: number;
}

/** Keys and values [B, Tk, D], or with their heads split, [B, H, Tk, D / H]. */
export type KeysAndValues = {
  key: tf.Tensor;
  value: tf.Tensor;
};

/** Longer texts have products that are worth a kernel each. */
const MOST_TOKENS = 32;

/** @param x [B, T, D] */
const inOneKernel = (name: string, x: tf.Tensor): boolean =>
  hasKernel(name) && !isTaping() && x.size > 0 && x.shape[1]! <= MOST_TOKENS;

export interface AttentionPart {
  /** [B, T, D] */
  x: tf.Tensor;
  query: LinearWeights;
  memory: KeysAndValues;
  /** Added to the scores, broadcastable to [B, H, T, Tk]. */
  mask?: tf.Tensor;
  numHeads: number;
  output: LinearWeights;
  norm: NormWeights;
}

/** What the kernel is given of numbers. */
export interface AttentionPartAttrs {
  numHeads: number;
  eps: number;
}

/** layerNorm(x + output(attention(query(x), key, value))). @returns [B, T, D] */
export function attentionPart(part: AttentionPart, composition: () => tf.Tensor): tf.Tensor {
  const { x, query, memory, mask, numHeads, output, norm } = part;
  if (!inOneKernel('LavisAttentionPart', x) || memory.key.size === 0) return composition();
  const attrs: AttentionPartAttrs = { numHeads, eps: norm.eps };
  const weights = { ...named('query', query), ...named('output', output), ...named('norm', norm) };
  return runKernel('LavisAttentionPart', { x, ...memory, mask, ...weights }, attrs);
}

export interface FeedForwardPart {
  /** [B, T, D] */
  x: tf.Tensor;
  intermediate: LinearWeights;
  output: LinearWeights;
  norm: NormWeights;
}

/** layerNorm(x + output(gelu(intermediate(x)))). @returns [B, T, D] */
export function feedForwardPart(part: FeedForwardPart, composition: () => tf.Tensor): tf.Tensor {
  const { x, intermediate, output, norm } = part;
  if (!inOneKernel('LavisFeedForwardPart', x)) return composition();
  const weights = {
    ...named('intermediate', intermediate),
    ...named('output', output),
    ...named('norm', norm),
  };
  return runKernel('LavisFeedForwardPart', { x, ...weights }, { eps: norm.eps });
}

export interface RememberedPart {
  /** [B, T, D] */
  x: tf.Tensor;
  key: LinearWeights;
  value: LinearWeights;
  /** [B, past, D] each */
  past: KeysAndValues;
}

/** Keys and values of x behind those of the past. @returns [B, past + T, D] each */
export function rememberedPart(part: RememberedPart, composition: () => KeysAndValues): KeysAndValues {
  const { x, key, value, past } = part;
  if (!inOneKernel('LavisRememberedPart', x)) return composition();
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

const named = (name: string, { weight, bias }: LinearWeights) => ({
  [`${name}Weight`]: weight,
  [`${name}Bias`]: bias,
});
