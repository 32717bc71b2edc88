import { tf } from '../../engine/index.js';

/** Added to the scores of self-attention where a query must not look. Source: transformers 4.20, get_extended_attention_mask. */
export const MASKED = -10000;

/** Added to the scores of cross-attention, in float32. Source: transformers 4.20, invert_attention_mask. */
export const CROSS_MASKED = -1e9;

/** 1 at tokens and 0 at padding, [B][T]. */
export type AttentionMask = readonly (readonly number[])[];

/** [B, 1, 1, T]: every query sees all tokens and no padding; undefined where there is no padding. */
export function paddingMask(attentionMask: AttentionMask, masked = MASKED): tf.Tensor | undefined {
  if (attentionMask.every((row) => row.every((seen) => seen))) return undefined;
  const values = attentionMask.map((row) => row.map((seen) => (seen ? 0 : masked)));
  return tf.tensor(values.flat(), [values.length, 1, 1, values[0].length], 'float32');
}

/** [B, 1, T, T]: each token sees itself and those before it, and no padding. */
export function causalMask(attentionMask: AttentionMask): tf.Tensor {
  const length = attentionMask[0].length;
  const values = new Float32Array(attentionMask.length * length * length);
  let at = 0;
  for (const row of attentionMask) {
    for (let query = 0; query < length; query++) {
      for (let key = 0; key < length; key++) values[at++] = key <= query && row[key] ? 0 : MASKED;
    }
  }
  return tf.tensor(values, [attentionMask.length, 1, length, length]);
}

/**
 * [B, 1, Q, cached]: each query sees the cached tokens at its places.
 * @param places [B][Q], for each query the places it sees
 */
export function placesMask(places: readonly (readonly (readonly number[])[])[], cached: number): tf.Tensor {
  const queries = places[0].length;
  const values = new Float32Array(places.length * queries * cached).fill(MASKED);
  places.flat().forEach((seen, row) => {
    for (const place of seen) values[row * cached + place] = 0;
  });
  return tf.tensor(values, [places.length, 1, queries, cached]);
}
