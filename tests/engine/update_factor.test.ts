import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { adamwUpdate, setupEngine, sumOfSquares, tf, updateFactor } from '#src/engine/index.js';
import { backendsHere, on } from './engines.js';
import { sample } from './gradients.js';
import { noWebGpu } from './webgpu_here.js';

const backends = [...(await backendsHere()), 'cpu'];
if (!noWebGpu) backends.push((await setupEngine({ device: 'webgpu' })).backend);

const rates = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 3 };

/** The parameter and its moments after an update from the same start. */
function updated(grad: tf.Tensor, factor?: tf.Scalar): number[][] {
  const variables = [1, 2, 3].map((seed) => tf.variable(sample([3000], seed).abs()));
  const [param, expAvg, expAvgSq] = variables;
  adamwUpdate({ param, grad, expAvg, expAvgSq, ...rates, factor });
  const values = variables.map((variable) => Array.from(variable.dataSync()));
  tf.dispose(variables);
  return values;
}

const close = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) <= 1e-5 * Math.abs(expected), `${actual}, not ${expected}`);

const numbers = ({ norm, factor }: { norm: tf.Scalar; factor: tf.Scalar }) =>
  [norm, factor].map((scalar) => scalar.dataSync()[0]);

for (const backend of new Set(backends)) {
  describe(`the factor of an update, on ${backend}`, () => {
    test('is the scale, and less where the norm exceeds its limit', () =>
      on(backend, async () => {
        const grads = [sample([70_000], 1), sample([3, 5], 2), tf.scalar(3), tf.zeros([0])];
        const norm = Math.sqrt(sumOfSquares(grads));
        const [plain, factor] = numbers(updateFactor(grads));
        close(plain, norm);
        assert.equal(factor, 1);
        const scaled = numbers(updateFactor(grads, { scale: 0.25, maxNorm: norm }));
        close(scaled[0], norm / 4);
        assert.equal(scaled[1], 0.25);
        const clipped = numbers(updateFactor(grads, { scale: 0.25, maxNorm: 2 }));
        close(clipped[1], (0.25 * 2) / (norm / 4 + 1e-6));
        assert.deepEqual(numbers(updateFactor([], { maxNorm: 1 })), [0, 1]);
      }));

    for (const [name, value] of [
      ['infinite', Infinity],
      ['no number', Number.NaN],
    ] as const) {
      test(`is 0 where a gradient is ${name}, and an update with it changes nothing`, () =>
        on(backend, async () => {
          const values = new Float32Array(3000).fill(0.5);
          values[1234] = value;
          const grad = tf.tensor1d(values);
          const { norm, factor } = updateFactor([sample([20]), grad], { maxNorm: 1 });
          assert.equal(factor.dataSync()[0], 0);
          assert.ok(!Number.isFinite(norm.dataSync()[0]));
          const start = [1, 2, 3].map((seed) => Array.from(sample([3000], seed).abs().dataSync()));
          assert.deepEqual(updated(grad, factor), start);
        }));
    }

    test('multiplies the gradient of an update', () =>
      on(backend, async () => {
        const grad = sample([3000], 7);
        const found = updated(grad, tf.scalar(0.25));
        const expected = updated(grad.mul(0.25));
        for (const [which, values] of expected.entries()) {
          for (const [i, value] of values.entries()) {
            assert.ok(Math.abs(found[which][i] - value) <= 1e-6, `${which}[${i}]`);
          }
        }
        assert.notDeepEqual(expected, updated(grad));
      }));
  });
}
