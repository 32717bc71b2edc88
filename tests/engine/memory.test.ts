import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  adamwUpdate,
  attention,
  gelu,
  layerNorm,
  linear,
  setupEngine,
  tf,
  valueAndGrads,
} from '#src/engine/index.js';
import { sample } from './gradients.js';

before(() => setupEngine({ device: 'cpu', threads: 2 }));

const options = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 1 };

/** A variable of 1024 values with the state of its optimizer. */
function makeParameter(start: tf.Tensor) {
  const [param, expAvg, expAvgSq] = [start, tf.zeros([1024]), tf.zeros([1024])].map((x) => tf.variable(x));
  return { param, expAvg, expAvgSq, grad: sample([1024], 5) };
}

test('values that were read stay as they were when the memory is used again', () => {
  const x = sample([1024]);
  const y = x.add(1);
  const values = y.dataSync();
  const kept = values.slice();
  y.dispose();
  for (let i = 0; i < 5; i++) x.mul(i).dispose();
  assert.deepEqual(values, kept);
});

test('part of a disposed tensor keeps its values', () => {
  const x = sample([64, 32]).add(0);
  const expected = x.dataSync().slice(0, 512);
  const source = sample([64, 32]).add(0);
  const parts = [
    tf.slice(source, [0, 0], [16, 32]),
    tf.split(source, 4, 0)[0],
    tf.stridedSlice(source, [0, 0], [16, 32]),
    tf.stack(tf.unstack(source, 0).slice(0, 16), 0),
  ];
  source.dispose();
  for (let i = 0; i < 5; i++) sample([64, 32], i).mul(i).dispose();
  for (const part of parts) assert.deepEqual(part.dataSync(), expected);
});

test('an update in place changes no clone, no data that was read and no array a tensor was made from', () => {
  const array = Float32Array.from({ length: 1024 }, (_, i) => i);
  const original = array.slice();
  const parameter = makeParameter(tf.tensor(array));
  adamwUpdate({ ...parameter, ...options });
  assert.deepEqual(array, original);

  const clone = parameter.param.clone();
  const [read, kept] = [parameter.param.dataSync(), parameter.param.dataSync().slice()];
  adamwUpdate({ ...parameter, ...options });
  assert.deepEqual(clone.dataSync(), kept);
  assert.deepEqual(read, kept);
  assert.notDeepEqual(parameter.param.dataSync(), kept);
});

test('an update in place of memory that nobody shares allocates nothing', () => {
  const parameter = makeParameter(sample([1024]));
  adamwUpdate({ ...parameter, ...options });
  const { dataId } = parameter.param;
  const before = tf.memory().numTensors;
  adamwUpdate({ ...parameter, ...options });
  assert.equal(parameter.param.dataId, dataId);
  assert.equal(tf.memory().numTensors, before);
});

test('steps of training leave no tensors and no memory behind', () => {
  const variables = new Map(
    Object.entries({ w: sample([96, 32]), v: sample([32, 32], 2), g: sample([32], 3) }).map(([name, x]) => [
      name,
      tf.variable(x),
    ]),
  );
  const [w, v, g] = variables.values();
  const backend = tf.backend() as unknown as { pool: { statistics: { inUse: number; idle: number } } };
  const step = () => {
    const { value, grads } = valueAndGrads(() => {
      const x = layerNorm(sample([2, 9, 32], 4), g, g, 1e-6);
      const [query, key, value] = tf.split(linear(x, w), 3, -1);
      return gelu(linear(attention(query, key, value, { numHeads: 4 }), v))
        .square()
        .sum() as tf.Scalar;
    }, variables);
    tf.dispose([value, ...grads.values()]);
  };
  const measured = [];
  for (let i = 1; i <= 30; i++) {
    tf.tidy(step);
    if (i === 3 || i === 30) measured.push({ ...tf.memory(), ...backend.pool.statistics });
  }
  assert.deepEqual(measured[1], measured[0]);
});
