import { tf } from '../tf.js';
import { dropoutMask } from './dropout.js';
import { activeHalves, unpackHalf } from './half.js';
import { fused, runKernel, runKernels } from './run.js';

export interface AttentionOptions {
  numHeads: number;
  /** Factor of the scores; 1 / sqrt(D / numHeads) by default. */
  scale?: number;
  /** Added to the scores; broadcastable to [B, H, Tq, Tk]. Takes no gradient. */
  mask?: tf.Tensor;
  /** Dropout of the probabilities. */
  dropout?: { rate: number; seed: number };
}

/** What the kernels of attention and its gradient are given. */
export interface AttentionAttrs {
  numHeads: number;
  scale: number;
  /** Of dropout; 0 for none. */
  rate: number;
  seed: number;
}

/**
 * Scaled dot-product attention; heads are split and merged inside.
 * @param query [B, Tq, D]
 * @param key [B, Tk, D]; or with its heads split already, [B, H, Tk, D / H], as value then is too
 * @param value [B, Tk, D]
 * @returns [B, Tq, D]
 */
export function attention(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  { numHeads, scale = 1 / Math.sqrt(query.shape[2]! / numHeads), mask, dropout }: AttentionOptions,
): tf.Tensor {
  const rate = dropout?.rate ?? 0;
  const seed = dropout?.seed ?? 0;
  const attrs: AttentionAttrs = { numHeads, scale, rate, seed };
  return fused({
    kernel: 'LavisAttention',
    inputs: { query, key, value, mask },
    forward(save) {
      const y = runKernel('LavisAttention', { query, key, value, mask }, attrs);
      const halves = activeHalves();
      const kept = [query, key, value, y].map((x) => halves?.of(x) ?? x);
      save(...kept, ...(mask ? [mask] : []));
      return y;
    },
    backward(dy, [savedQuery, savedKey, savedValue, savedY, savedMask]) {
      const whole = (x: tf.Tensor, shape: number[]) => (x.dtype === 'int32' ? unpackHalf(x, shape) : x);
      const inputs = {
        query: whole(savedQuery, query.shape),
        key: whole(savedKey, key.shape),
        value: whole(savedValue, value.shape),
        y: whole(savedY, query.shape),
        dy,
        mask: savedMask,
      };
      const [dquery, dkey, dvalue] = runKernels('LavisAttentionGrad', inputs, attrs);
      return { query: () => dquery, key: () => dkey, value: () => dvalue };
    },
    composition() {
      const [batch, steps, width] = query.shape;
      const split = (x: tf.Tensor) => (x.rank === 4 ? x : splitHeads(x, numHeads));
      let scores = tf.matMul(split(query), split(key), false, true).mul(scale); // [B, H, Tq, Tk]
      if (mask) scores = scores.add(mask);
      let probabilities = scores.softmax();
      if (rate > 0) probabilities = probabilities.mul(dropoutMask(probabilities.shape, rate, seed));
      return tf.matMul(probabilities, split(value)).transpose([0, 2, 1, 3]).reshape([batch, steps, width]);
    },
  });
}

/** The heads of keys or values side by side, done once for what many queries attend to: [B, H, T, D / H]. */
export function splitHeads(x: tf.Tensor, numHeads: number): tf.Tensor {
  const [batch, steps, width] = x.shape;
  return tf.tidy(() => x.reshape([batch, steps, numHeads, width / numHeads]).transpose([0, 2, 1, 3]));
}
