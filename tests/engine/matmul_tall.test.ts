import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setupEngine, tf } from '#src/engine/index.js';
import { floats } from './conformance.js';
import { productAt } from './products.js';

before(() => setupEngine({ device: 'cpu' }));

// As the gradients of weights are made. The engine transposes some left sides beforehand, or computes the
// transpose of the result, by these sizes: some on either side of each bound.
const tall: [depth: number, rows: number, columns: number][] = [
  [63, 7, 256],
  [64, 7, 255],
  [64, 7, 256],
  [1025, 1024, 256],
  [1024, 1025, 256],
  [1025, 1025, 255],
  [1025, 1025, 256],
  [1025, 1025, 1024],
  [1025, 1025, 1025],
  [1025, 8191, 256],
  [1025, 8192, 256],
];
for (const [depth, rows, columns] of tall) {
  test(`the transpose of [${depth}, ${rows}] times [${depth}, ${columns}]`, () => {
    const [a, b] = [floats([depth, rows]), floats([depth, columns], { seed: 2 })];
    const [x, z] = [a, b].map(({ values, shape }) => tf.tensor2d(values, shape as [number, number]));
    const y = tf.matMul(x, z, true, false);
    assert.deepEqual(y.shape, [rows, columns]);
    const values = y.dataSync();
    tf.dispose([x, z, y]);
    // Of the large ones a sample whose step has no factor in common with the sizes.
    const step = values.length > 5000 ? 1009 : 1;
    const at = Array.from({ length: Math.ceil(values.length / step) }, (_, i) => i * step);
    const expected = at.map((i) =>
      productAt(i, a.values, b.values, { rows, columns, depth, transposeA: true }),
    );
    assert.ok(Math.max(...expected.map(Math.abs)) > 1);
    expected.forEach((value, i) => {
      const found = values[at[i]];
      // Of terms up to 4, and of sums up to the value, each rounded to 24 bits.
      const tolerance = 2e-7 * (depth + Math.abs(value));
      assert.ok(Math.abs(found - value) <= tolerance, `[${at[i]}] is ${found}, not ${value}`);
    });
  });
}
