import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  gelu,
  layerNorm,
  linear,
  recompute,
  record,
  setupEngine,
  tf,
  valueAndGrads,
} from '#src/engine/index.js';
import { assertClose, sample } from './gradients.js';

before(() => setupEngine({ device: 'cpu' }));

function makeVariables() {
  return new Map([
    ['w1', tf.variable(sample([8, 4]))],
    ['w2', tf.variable(sample([4, 8], 2))],
    ['gain', tf.variable(sample([4], 3))],
    ['unused', tf.variable(sample([3], 4))],
  ]);
}

const block = (x: tf.Tensor, v: Map<string, tf.Variable>) =>
  layerNorm(x.add(linear(gelu(linear(x, v.get('w1')!)), v.get('w2')!)), v.get('gain')!, v.get('gain')!, 1e-6);

const loss = (x: tf.Tensor, v: Map<string, tf.Variable>) =>
  block(block(x, v), v)
    .mul(sample([5, 4], 9))
    .sum() as tf.Scalar;

test('valueAndGrads agrees with tf.variableGrads', () => {
  const variables = makeVariables();
  const x = sample([5, 4], 7);
  const { value, grads } = valueAndGrads(() => loss(x, variables), variables);
  const used = [...variables].filter(([name]) => name !== 'unused');
  const expected = tf.variableGrads(
    () => loss(x, variables),
    used.map(([, variable]) => variable),
  );
  assertClose(value, expected.value);
  for (const [name, variable] of used)
    assertClose(grads.get(name)!, expected.grads[variable.name], 1e-5, name);
  assert.deepEqual([...grads.keys()], ['w1', 'w2', 'gain']);
});

test('onGrad tells each gradient once, when it is final', () => {
  const variables = makeVariables();
  const seen = new Map<string, Float32Array>();
  const { grads } = valueAndGrads(() => loss(sample([5, 4], 7), variables), variables, {
    onGrad: (name, grad) => {
      assert.ok(!seen.has(name));
      seen.set(name, (grad.dataSync() as Float32Array).slice());
    },
  });
  assert.deepEqual([...seen.keys()].sort(), ['gain', 'w1', 'w2']);
  for (const [name, values] of seen) assert.deepEqual(grads.get(name)!.dataSync(), values);
});

test('recompute changes no value and no gradient', () => {
  const variables = makeVariables();
  const x = sample([5, 4], 7);
  const weights = [...variables.values()];
  const again = (y: tf.Tensor) => recompute((z) => block(z, variables), y, weights);
  const plain = valueAndGrads(() => loss(x, variables), variables);
  const both = valueAndGrads(
    () =>
      again(again(x))
        .mul(sample([5, 4], 9))
        .sum() as tf.Scalar,
    variables,
  );
  assertClose(both.value, plain.value);
  for (const [name, grad] of plain.grads) assertClose(both.grads.get(name)!, grad, 1e-5, name);
});

test('recompute may be nested', () => {
  const variables = makeVariables();
  const weights = [...variables.values()];
  const x = tf.variable(sample([5, 4], 7));
  const f = (y: tf.Tensor) => block(y, variables);
  const nested = (y: tf.Tensor) => recompute((z) => f(recompute(f, z, weights)), y, weights);
  const inputs = new Map([...variables, ['x', x] as const]);
  const plain = valueAndGrads(() => f(f(x)).square().sum() as tf.Scalar, inputs);
  const both = valueAndGrads(() => nested(x).square().sum() as tf.Scalar, inputs);
  for (const [name, grad] of plain.grads) assertClose(both.grads.get(name)!, grad, 1e-5, name);
});

test('a value and its gradients are all that stays', () => {
  const variables = makeVariables();
  const x = sample([5, 4], 7);
  const weights = [...variables.values()];
  const before = tf.memory().numTensors;
  const { value, grads } = valueAndGrads(
    () =>
      loss(
        recompute((z) => block(z, variables), x, weights),
        variables,
      ),
    variables,
  );
  assert.equal(tf.memory().numTensors, before + 1 + grads.size);
  tf.dispose([value, ...grads.values()]);
  assert.equal(tf.memory().numTensors, before);
});

test('what fails in the forward pass leaves no tape and no tensors behind', () => {
  const variables = makeVariables();
  const x = sample([5, 4], 7);
  const before = tf.memory().numTensors;
  const failing = () => {
    block(x, variables);
    throw new Error('on purpose');
  };
  assert.throws(() => valueAndGrads(failing, variables), /on purpose/);
  assert.equal(tf.memory().numTensors, before);
  assert.ok(valueAndGrads(() => loss(x, variables), variables).grads.size);
});

test('a step recorded in two parts has the gradients of one', () => {
  const variables = makeVariables();
  const x = sample([5, 4], 7);
  const before = tf.memory().numTensors;
  const first = record(() => ({ hidden: block(x, variables), twice: block(x, variables).mul(2) }), variables);
  const [hidden, twice] = [tf.variable(first.outputs.hidden), tf.variable(first.outputs.twice)];
  const leaves = new Map([...variables, ['hidden', hidden], ['twice', twice]] as const);
  const second = valueAndGrads(
    () =>
      block(hidden.add(twice), variables)
        .mul(sample([5, 4], 9))
        .sum() as tf.Scalar,
    leaves,
  );
  const carried = first.backward({ hidden: second.grads.get('hidden')!, twice: second.grads.get('twice')! });
  const whole = valueAndGrads(
    () =>
      block(block(x, variables).mul(3), variables)
        .mul(sample([5, 4], 9))
        .sum() as tf.Scalar,
    variables,
  );
  assertClose(second.value, whole.value);
  for (const [name, grad] of whole.grads) {
    tf.tidy(() => assertClose(tf.add(carried.get(name)!, second.grads.get(name)!), grad, 1e-5, name));
  }
  tf.dispose([first.outputs, hidden, twice, second.value, whole.value]);
  for (const grads of [carried, second.grads, whole.grads]) tf.dispose([...grads.values()]);
  assert.equal(tf.memory().numTensors, before);
});
