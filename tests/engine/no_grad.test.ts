import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gelu, linear, noGrad, setupEngine, tf, valueAndGrads } from '#src/engine/index.js';

before(() => setupEngine({ device: 'cpu' }));

test('noGrad makes constants of what depends on variables, and keeps nothing of it', () => {
  const [x, w] = [tf.variable(tf.tensor2d([[1, -2]])), tf.variable(tf.tensor2d([[0.5, 2]]))];
  const target = () => gelu(linear(gelu(x.mul(3)), w));
  const expected = tf.tidy(() => target().dataSync()[0]);
  let inside = 0;
  const { value, grads } = valueAndGrads(
    () => {
      const before = tf.memory().numTensors;
      const constant = noGrad(() => tf.tidy(target));
      inside = tf.memory().numTensors - before;
      return linear(x, w).mul(constant).sum() as tf.Scalar;
    },
    new Map([
      ['x', x],
      ['w', w],
    ]),
  );
  assert.equal(inside, 1); // the constant alone
  assert.ok(Math.abs(value.dataSync()[0] - -3.5 * expected) < 1e-5);
  // The gradient of x·w times a constant: nothing flows through the constant.
  for (const [name, other] of [
    ['x', w],
    ['w', x],
  ] as const) {
    const wanted = other.dataSync().map((v) => v * expected);
    grads
      .get(name)!
      .dataSync()
      .forEach((v, i) => {
        assert.ok(Math.abs(v - wanted[i]) < 1e-5, name);
      });
  }
  tf.dispose([value, ...grads.values()]);
});

test('recording goes on after noGrad, also after one that threw', () => {
  const x = tf.variable(tf.scalar(3));
  const { grads } = valueAndGrads(
    () => {
      assert.throws(() =>
        noGrad(() => {
          throw new Error('inside');
        }),
      );
      return x.square() as tf.Scalar;
    },
    new Map([['x', x]]),
  );
  assert.equal(grads.get('x')!.dataSync()[0], 6);
});
