import assert from 'node:assert/strict';
import { tf } from '#src/engine/index.js';

/** Deterministic values in (-1, 1). */
export function sample(shape: number[], seed = 1): tf.Tensor {
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) =>
    Math.sin((i + 1) * 12.9898 + seed * 78.233),
  );
  return tf.tensor(values, shape);
}

/** Fails unless the tensors have one shape and differ by at most `tolerance` of the largest value (or of 1). */
export function assertClose(actual: tf.Tensor, expected: tf.Tensor, tolerance = 1e-5, what = ''): void {
  assert.deepEqual(actual.shape, expected.shape, `${what} shape`);
  assert.equal(actual.dtype, expected.dtype, `${what} dtype`);
  const [a, b] = [actual.dataSync(), expected.dataSync()];
  let largest = 1;
  for (const value of b) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  for (let i = 0; i < b.length; i++) {
    const same = Object.is(a[i], b[i]) || a[i] === b[i];
    assert.ok(same || Math.abs(a[i] - b[i]) <= tolerance * largest, `${what}[${i}]: ${a[i]}, not ${b[i]}`);
  }
}

/** Compares gradients of sum(f * fixed weights) with central differences. */
export function assertGradients(
  f: (...xs: tf.Tensor[]) => tf.Tensor,
  grads: tf.Tensor[],
  xs: tf.Tensor[],
  weights: tf.Tensor,
  tolerance = 2e-3,
): void {
  const step = 1e-2;
  const value = (replaced: number, tensor: tf.Tensor) =>
    tf.tidy(
      () =>
        f(...xs.map((x, i) => (i === replaced ? tensor : x)))
          .mul(weights)
          .sum()
          .dataSync()[0],
    );
  xs.forEach((x, which) => {
    const data = x.dataSync().slice();
    for (let i = 0; i < data.length; i += Math.ceil(data.length / 12)) {
      const moved = (delta: number) => {
        const changed = data.slice();
        changed[i] += delta;
        return value(which, tf.tensor(changed, x.shape));
      };
      const slope = (moved(step) - moved(-step)) / (2 * step);
      const actual = grads[which].dataSync()[i];
      assert.ok(
        Math.abs(actual - slope) <= tolerance * Math.max(1, Math.abs(slope)),
        `input ${which}[${i}]: gradient ${actual}, slope ${slope}`,
      );
    }
  });
}
