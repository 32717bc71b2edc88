import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setupEngine, tf } from '#src/engine/index.js';
import { floats } from './conformance.js';
import { product } from './products.js';

before(() => setupEngine({ device: 'cpu' }));

// As the gradients of weights are made. The engine transposes some left sides beforehand, by rows and columns:
// one on either side of each bound, and one that is multiplied as it lies.
const tall: [depth: number, rows: number][] = [
  [63, 7],
  [64, 7],
  [70, 1024],
  [70, 1025],
  [64, 8191],
  [64, 8192],
];
for (const [depth, rows] of tall) {
  test(`the transpose of [${depth}, ${rows}] times [${depth}, 3]`, () => {
    const columns = 3;
    const [a, b] = [floats([depth, rows]), floats([depth, columns], { seed: 2 })];
    const [x, z] = [a, b].map(({ values, shape }) => tf.tensor2d(values, shape as [number, number]));
    const y = tf.matMul(x, z, true, false);
    assert.deepEqual(y.shape, [rows, columns]);
    const values = y.dataSync();
    tf.dispose([x, z, y]);
    const expected = product(a.values, b.values, { rows, columns, depth, transposeA: true });
    const largest = Math.max(...expected.map(Math.abs));
    assert.ok(largest > 1);
    expected.forEach((value, i) => {
      assert.ok(Math.abs(values[i] - value) <= 2e-6 * largest, `[${i}] is ${values[i]}, not ${value}`);
    });
  });
}
