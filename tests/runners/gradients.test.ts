import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setupEngine, tf } from '#src/engine/index.js';
import { clipGradients, gradientNorm } from '#src/runners/gradients.js';

before(() => setupEngine({ device: 'cpu' }));

const gradients = () =>
  new Map<string, tf.Tensor>([
    ['a', tf.tensor1d([3, 0])],
    ['b', tf.tensor2d([[4]])],
  ]);

test('the gradient norm is that of all gradients together', () => {
  assert.equal(gradientNorm(gradients()), 5);
});

test('clipping scales to the wanted norm, and leaves a smaller gradient alone', () => {
  const grads = gradients();
  clipGradients(grads, 5, 1);
  assert.ok(Math.abs(gradientNorm(grads) - 1) < 1e-5);
  assert.ok(Math.abs(grads.get('a')!.dataSync()[0] - 0.6) < 1e-6);
  clipGradients(grads, 1, 10);
  assert.ok(Math.abs(gradientNorm(grads) - 1) < 1e-5);
});
