import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { peek, setupEngine, sumOfSquares, tf } from '#src/engine/index.js';
import { sample } from './gradients.js';

before(() => setupEngine({ device: 'cpu', threads: 2 }));

test('sumOfSquares adds up over tensors of any shape', () => {
  const tensors = [tf.scalar(2), tf.tensor2d([[1, 2, 3]]), tf.zeros([0, 4]), sample([600_000])];
  let expected = 4 + 14;
  for (const value of tensors[3].dataSync()) expected += value * value;
  assert.ok(Math.abs(sumOfSquares(tensors) / expected - 1) < 1e-6);
  assert.equal(sumOfSquares([]), 0);
});

test('peek shows what dataSync copies', () => {
  const x = sample([3000]).add(1);
  assert.deepEqual(peek(x), x.dataSync());
  assert.notEqual(peek(x), x.dataSync());
});
