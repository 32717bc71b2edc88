import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  adamwUpdate,
  attention,
  dropout,
  gelu,
  layerNorm,
  linear,
  setupEngine,
  softmaxCrossEntropy,
  splitHeads,
  tf,
} from '#src/engine/index.js';
import { assertClose, assertGradients, sample } from './gradients.js';

before(() => setupEngine({ device: 'cpu' }));

/** Checks the gradients of f against finite differences. */
function check(f: (...xs: tf.Tensor[]) => tf.Tensor, xs: tf.Tensor[]) {
  const weights = sample(f(...xs).shape, 99);
  const grads = tf.grads((...inputs: tf.Tensor[]) =>
    f(...inputs)
      .mul(weights)
      .sum(),
  )(xs);
  assertGradients(f, grads, xs, weights);
}

test('linear multiplies by the transposed weight and adds the bias', () => {
  const y = linear(
    tf.tensor2d([[1, 2]]),
    tf.tensor2d([
      [3, 4],
      [5, 6],
      [7, 8],
    ]),
    tf.tensor1d([1, 1, 1]),
  );
  assertClose(y, tf.tensor2d([[12, 18, 24]]));
});

test('linear has right gradients, with and without bias', () => {
  check(linear, [sample([2, 3, 4]), sample([5, 4], 2), sample([5], 3)]);
  check((x, w) => linear(x, w), [sample([3, 4]), sample([5, 4], 2)]);
});

test('layerNorm gives zero mean and unit variance before the affine part', () => {
  const y = layerNorm(sample([4, 64]), tf.ones([64]), tf.zeros([64]), 1e-12);
  assertClose(y.mean(-1), tf.zeros([4]));
  assertClose(y.square().mean(-1), tf.ones([4]));
});

test('layerNorm has right gradients', () => {
  check((x, w, b) => layerNorm(x, w, b, 1e-6), [sample([3, 8]), sample([8], 2), sample([8], 3)]);
});

test('gelu is x times the normal distribution function', () => {
  assertClose(gelu(tf.tensor1d([-1, 0, 1, 2])), tf.tensor1d([-0.15865525, 0, 0.8413447, 1.9544997]));
});

test('gelu has right gradients', () => check(gelu, [sample([3, 7])]));

test('attention over equal keys gives the mean of the values', () => {
  const value = sample([2, 5, 8]);
  const y = attention(sample([2, 3, 8], 2), tf.ones([2, 5, 8]), value, { numHeads: 2 });
  assertClose(y, value.mean(1, true).tile([1, 3, 1]));
});

test('attention over keys and values whose heads are split already is the same', () => {
  const [q, k, v] = [sample([2, 3, 8]), sample([2, 5, 8], 2), sample([2, 5, 8], 3)];
  const split = attention(q, splitHeads(k, 2), splitHeads(v, 2), { numHeads: 2 });
  assertClose(split, attention(q, k, v, { numHeads: 2 }));
});

test('attention heeds its mask', () => {
  const value = sample([1, 3, 4]);
  const mask = tf.tensor4d([0, -10000, -10000, 0, 0, -10000, 0, 0, 0], [1, 1, 3, 3]);
  const y = attention(sample([1, 3, 4]), sample([1, 3, 4], 2), value, { numHeads: 2, mask });
  assertClose(y.slice([0, 0, 0], [1, 1, 4]), value.slice([0, 0, 0], [1, 1, 4]));
});

test('attention has right gradients, with mask and dropout', () => {
  const [q, k, v] = [sample([2, 3, 8]), sample([2, 5, 8], 2), sample([2, 5, 8], 3)];
  check((a, b, c) => attention(a, b, c, { numHeads: 2 }), [q, k, v]);
  const mask = sample([2, 1, 1, 5], 4);
  check((a, b, c) => attention(a, b, c, { numHeads: 4, mask, dropout: { rate: 0.3, seed: 5 } }), [q, k, v]);
});

test('softmaxCrossEntropy is the mean of the smoothed losses over the labels that count', () => {
  const logits = tf.log(
    tf.tensor2d([
      [0.5, 0.25, 0.25],
      [0.1, 0.1, 0.8],
    ]),
  );
  const labels = tf.tensor1d([0, -100], 'int32');
  assertClose(softmaxCrossEntropy(logits, labels), tf.scalar(Math.log(2)));
  const smooth = 0.7 * Math.log(2) + (0.3 * (Math.log(2) + 2 * Math.log(4))) / 3;
  assertClose(softmaxCrossEntropy(logits, labels, { labelSmoothing: 0.3 }), tf.scalar(smooth));
});

test('softmaxCrossEntropy has right gradients', () => {
  const labels = tf.tensor1d([2, -100, 0, 6], 'int32');
  check((x) => softmaxCrossEntropy(x, labels, { labelSmoothing: 0.1 }), [sample([4, 7])]);
});

test('dropout keeps the mean, repeats by seed and differs between seeds', () => {
  const ones = tf.ones([20000]);
  const first = dropout(ones, 0.25, 7);
  assertClose(first, dropout(ones, 0.25, 7));
  assert.notDeepEqual(first.dataSync(), dropout(ones, 0.25, 8).dataSync());
  assertClose(first.mean(), tf.scalar(1), 0.02);
  assert.deepEqual(new Set(first.dataSync()), new Set([0, Math.fround(1 / 0.75)]));
  assertClose(dropout(ones, 0, 7), ones);
});

test('the gradient of dropout is its mask', () => {
  const x = sample([50]);
  const grad = tf.grad((t) => dropout(t, 0.5, 3).sum())(x);
  assertClose(grad, dropout(tf.ones([50]), 0.5, 3));
});

test('adamwUpdate follows the formula over two steps, in double precision', () => {
  const options = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.05 };
  const start = sample([5]);
  const param = tf.variable(start);
  const [expAvg, expAvgSq] = [tf.variable(tf.zeros([5])), tf.variable(tf.zeros([5]))];
  const expected = [...start.dataSync()];
  const [m, v] = [
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
  ];
  for (let step = 1; step <= 2; step++) {
    const grad = sample([5], 10 + step);
    adamwUpdate({ param, grad, expAvg, expAvgSq, ...options, step });
    grad.dataSync().forEach((g, i) => {
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.99 * v[i] + 0.01 * g * g;
      const denominator = Math.sqrt(v[i] / (1 - 0.99 ** step)) + 1e-8;
      expected[i] = expected[i] * (1 - 0.01 * 0.05) - (0.01 * (m[i] / (1 - 0.9 ** step))) / denominator;
    });
  }
  assertClose(param, tf.tensor1d(expected), 1e-6);
  assertClose(expAvg, tf.tensor1d(m), 1e-6);
  assertClose(expAvgSq, tf.tensor1d(v), 1e-6);
  assertClose(start, sample([5])); // the tensor the variable came from is untouched
});
