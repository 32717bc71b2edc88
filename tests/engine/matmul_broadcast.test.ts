import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { HalfProduct } from '#src/engine/fused/half.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { floats, type Input } from './conformance.js';
import { product } from './products.js';

before(() => setupEngine({ device: 'cpu' }));

/** The matrix of a side that belongs to batch [i, j] of the result. */
function matrixOf({ shape, values }: Input, i: number, j: number): number[] {
  const [outer, inner] = [1, ...shape].slice(-4);
  const size = shape.at(-1)! * shape.at(-2)!;
  const at = (i % outer) * inner + (j % inner);
  return values.slice(at * size, (at + 1) * size);
}

/** Tests that [..., rows, depth] by [..., depth, columns], either side transposed, makes [2, 3] products. */
function broadcasts(batchA: number[], batchB: number[], sizes: HalfProduct): void {
  const { rows, columns, depth } = sizes;
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const a = floats([...batchA, ...(transposeA ? [depth, rows] : [rows, depth])]);
      const b = floats([...batchB, ...(transposeB ? [columns, depth] : [depth, columns])], { seed: 2 });
      test(`[${a.shape}] by [${b.shape}], transposed: ${transposeA} and ${transposeB}`, () => {
        const [x, z] = [a, b].map(({ values, shape }) => tf.tensor(values, shape));
        const y = tf.matMul(x, z, transposeA, transposeB);
        assert.deepEqual(y.shape, [2, 3, rows, columns]);
        const values = y.dataSync();
        tf.dispose([x, z, y]);
        const expected = [0, 1].flatMap((i) =>
          [0, 1, 2].flatMap((j) => [
            ...product(matrixOf(a, i, j), matrixOf(b, i, j), { ...sizes, transposeA, transposeB }),
          ]),
        );
        assert.equal(values.length, expected.length);
        const largest = Math.max(...expected.map(Math.abs));
        expected.forEach((value, i) => {
          assert.ok(Math.abs(values[i] - value) <= 2e-6 * largest, `[${i}] is ${values[i]}, not ${value}`);
        });
      });
    }
  }
}

// The conformance tests leave these out: TensorFlow.js's cpu backend, which is their measure, makes too few values.
const large = { rows: 70, columns: 33, depth: 130 };
broadcasts([2, 1], [1, 3], { rows: 3, columns: 5, depth: 4 });
broadcasts([2, 1], [1, 3], large);
broadcasts([1, 3], [2, 1], large);
broadcasts([2, 1], [3], large);
