import type { AdamWAttrs } from '../../fused/adamw.js';

/** The values that one update reads and writes: parameter, gradient and the two means. */
export type AdamWArrays = [p: Float32Array, g: Float32Array, m: Float32Array, v: Float32Array];

/** One pass over the memory, in place, computed in double precision. */
export function updateInLoop([p, g, m, v]: AdamWArrays, attrs: AdamWAttrs): void {
  const { beta1, beta2, eps, stepSize, shrink } = attrs;
  const [rest1, rest2, root] = [1 - beta1, 1 - beta2, 1 / attrs.rootCorrection];
  for (let i = 0; i < p.length; i++) {
    const grad = g[i];
    const mean = beta1 * m[i] + rest1 * grad;
    const square = beta2 * v[i] + rest2 * grad * grad;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * shrink - (stepSize * mean) / (Math.sqrt(square) * root + eps);
  }
}
