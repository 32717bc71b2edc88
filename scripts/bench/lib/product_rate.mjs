import { tf } from '../../../dist/engine/index.js';
import { median } from './statistics.mjs';

/** The products of a ViT-B block over 4 images of 577 tokens: [rows, inner, columns]. */
export const SHAPES = [
  [2308, 768, 3072],
  [2308, 3072, 768],
  [2308, 768, 2304],
  [2308, 768, 768],
];

/** Median milliseconds of f, whose tensors are disposed. */
export function timeOf(f, { runs = 9, read = false } = {}) {
  const times = [];
  for (let i = 0; i < runs + 2; i++) {
    const start = performance.now();
    tf.tidy(() => {
      const y = f();
      if (read) y.dataSync();
    });
    if (i >= 2) times.push(performance.now() - start);
  }
  return median(times);
}

/** GFLOP/s of the engine's matrix products by themselves. @param print told each shape's rate */
export function productRate({ print = () => {}, ...options } = {}) {
  let [flops, ms] = [0, 0];
  for (const [m, k, n] of SHAPES) {
    const [a, b] = [tf.randomNormal([m, k]), tf.randomNormal([k, n])];
    const taken = timeOf(() => tf.matMul(a, b), options);
    tf.dispose([a, b]);
    flops += 2 * m * k * n;
    ms += taken;
    print(
      `  matMul ${m} x ${k} x ${n}: ${taken.toFixed(1)} ms, ${((2 * m * k * n) / taken / 1e6).toFixed(0)} GFLOP/s`,
    );
  }
  return flops / ms / 1e6;
}
