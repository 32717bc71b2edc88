import { Rng } from '../common/random.js';
import { recompute, tf } from '../engine/index.js';
import type { Module } from './module.js';

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
