import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { hasIntegerDotProducts } from '#src/engine/fused/int8.js';
import { quantizedLinear, quantizeWeight, setupEngine, tf } from '#src/engine/index.js';
import { Linear, zeros } from '#src/nn/index.js';
import { assertClose, sample } from './gradients.js';

before(() => setupEngine({ device: 'cpu' }));

const LARGEST = hasIntegerDotProducts() ? 127 : 63;

/** Rounds half to even, as ONNX does. */
const roundEven = (x: number) => {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
};

const largestOf = (row: number[]) => row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The same in loops over numbers: integers of input and weight, their sums, the two scales. */
function inLoops(x: number[][], weight: number[][], bias: number[]): number[][] {
  const weights = weight.map((row) => {
    const scale = Math.fround(largestOf(row) / LARGEST) || 1;
    return { scale, integers: row.map((value) => Math.round(value / scale)) };
  });
  return x.map((row) => {
    const scale = Math.fround(Math.fround(Math.max(largestOf(row), 1e-30)) * Math.fround(1 / 127));
    const integers = row.map((value) => roundEven(Math.fround(value / scale)));
    return weights.map((w, o) => {
      const sum = integers.reduce((total, value, i) => total + value * w.integers[i], 0);
      return sum * scale * w.scale + bias[o];
    });
  });
}

for (const [rows, inputs, outputs] of [
  [1, 4, 3],
  [5, 64, 48],
  [300, 96, 33],
]) {
  test(`a product with 8-bit weights is the one of plain loops: ${rows} rows, ${inputs} to ${outputs}`, () => {
    const [x, weight, bias] = [sample([rows, inputs], 1), sample([outputs, inputs], 2), sample([outputs], 3)];
    const expected = inLoops(
      x.arraySync() as number[][],
      weight.arraySync() as number[][],
      bias.arraySync() as number[],
    );
    assertClose(quantizedLinear(x, quantizeWeight(weight), bias), tf.tensor2d(expected));
  });
}

test('sums of the largest integers do not overflow', () => {
  const inputs = 512;
  const y = quantizedLinear(
    tf.ones([2, inputs]),
    quantizeWeight(tf.ones([4, inputs]).mul(-1)),
    tf.zeros([4]),
  );
  assertClose(y, tf.fill([2, 4], -inputs));
});

test('a row of zeros gives the bias, a weight of zeros too', () => {
  const bias = sample([3], 4);
  const rows = quantizedLinear(tf.zeros([2, 8]), quantizeWeight(sample([3, 8], 5)), bias);
  assertClose(rows, bias.expandDims(0).tile([2, 1]));
  const none = quantizedLinear(sample([2, 8], 6), quantizeWeight(tf.zeros([3, 8])), bias);
  assertClose(none, bias.expandDims(0).tile([2, 1]));
});

test('what a row gives does not depend on what else is in the batch', () => {
  const weight = quantizeWeight(sample([40, 64], 7));
  const bias = sample([40], 8);
  const x = sample([600, 64], 9).mul(tf.range(1, 601).expandDims(1)); // rows of very different sizes
  const all = quantizedLinear(x, weight, bias).arraySync() as number[][];
  for (const row of [0, 255, 256, 599]) {
    const alone = quantizedLinear(x.slice([row, 0], [1, 64]), weight, bias).arraySync() as number[][];
    assert.deepEqual(alone[0], all[row]);
  }
});

test('a quantized layer has no weight among its parameters, and cuts its result into parts', () => {
  const layer = new Linear(16, 12, zeros);
  layer.weight.assign(sample([12, 16], 10));
  const x = sample([2, 5, 16], 11);
  const before = layer.forward(x).arraySync() as number[][][];
  layer.quantize();
  layer.quantize(); // once is enough
  assert.deepEqual([...layer.stateDict().keys()], ['bias', 'weight_scales']);
  assert.ok(layer.weight.isDisposed);
  const after = layer.forward(x);
  assertClose(after, tf.tensor3d(before), 0.05);
  assertClose(tf.concat(layer.forwardParts(x, 3), -1), after);
});

test('another engine says that it has no such products', () => {
  const chosen = tf.getBackend();
  tf.setBackend('cpu');
  try {
    assert.throws(() => quantizeWeight(tf.zeros([2, 2])), /8-bit weights need the CPU engine/);
  } finally {
    tf.setBackend(chosen);
  }
});

test('the processor says whether it sums products of 8-bit integers in 32 bits', () => {
  assert.equal(hasIntegerDotProducts('x64', 'flags : avx2 avx512_vnni'), true);
  assert.equal(hasIntegerDotProducts('x64', 'flags : avx2 avx_vnni_int8'), false);
  assert.equal(hasIntegerDotProducts('x64', 'flags : avx2'), false);
  assert.equal(hasIntegerDotProducts('x64', ''), false);
  assert.equal(hasIntegerDotProducts('arm64', ''), true);
});
