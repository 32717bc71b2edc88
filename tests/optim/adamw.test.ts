import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { openCheckpoint, saveTorch } from '#src/checkpoint/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { AdamW, type ParamGroup } from '#src/optim/index.js';
import { temporaryFolder } from '../support.js';

before(() => setupEngine({ device: 'cpu' }));

/** Two groups as a model's: a decaying matrix, and a vector and an unused one that do not decay. */
function groups(): ParamGroup[] {
  return [
    { names: ['weight'], params: [tf.variable(tf.tensor2d([[1, -2, 3]]))], weightDecay: 0.05 },
    {
      names: ['bias', 'unused'],
      params: [tf.variable(tf.tensor1d([0.5])), tf.variable(tf.tensor1d([7]))],
      weightDecay: 0,
    },
  ];
}

const gradsAt = (step: number) =>
  new Map<string, tf.Tensor>([
    ['weight', tf.tensor2d([[0.1 * step, -1, 1e-3]])],
    ['bias', tf.tensor1d([2 / step])],
  ]);

/** The update of PyTorch's AdamW in float64. */
function reference(initial: number, gradAt: (step: number) => number, weightDecay: number, steps: number) {
  let [param, m, v] = [initial, 0, 0];
  for (let step = 1; step <= steps; step++) {
    const grad = gradAt(step);
    param *= 1 - 0.01 * weightDecay;
    m = 0.9 * m + 0.1 * grad;
    v = 0.95 * v + 0.05 * grad ** 2;
    param -= ((0.01 / (1 - 0.9 ** step)) * m) / (Math.sqrt(v / (1 - 0.95 ** step)) + 1e-8);
  }
  return param;
}

const close = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-6 * Math.max(1, Math.abs(expected)), `${actual} != ${expected}`);

test('AdamW updates as PyTorch does, and leaves a parameter without gradient alone', () => {
  const all = groups();
  const optimizer = new AdamW(all, { lr: 1, beta2: 0.95 });
  for (let step = 1; step <= 4; step++) optimizer.step(gradsAt(step), 0.01);
  const [a, b, c] = all[0].params[0].dataSync();
  close(
    a,
    reference(1, (step) => 0.1 * step, 0.05, 4),
  );
  close(
    b,
    reference(-2, () => -1, 0.05, 4),
  );
  close(
    c,
    reference(3, () => 1e-3, 0.05, 4),
  );
  close(
    all[1].params[0].dataSync()[0],
    reference(0.5, (step) => 2 / step, 0, 4),
  );
  assert.equal(all[1].params[1].dataSync()[0], 7);
});

test('only what has been updated has a state, as in PyTorch, and a step taken back leaves none', () => {
  const optimizer = new AdamW(groups(), { lr: 0.01 });
  const described = () => [...optimizer.stateDict().state.keys()];
  assert.deepEqual(described(), []);
  optimizer.step(gradsAt(1), 0.01, tf.scalar(0));
  optimizer.takeBack();
  assert.deepEqual(described(), []);
  optimizer.step(gradsAt(1), 0.01);
  assert.deepEqual(described(), [0, 1]); // the third parameter has no gradient
});

test('moments saved in a checkpoint and loaded again continue bit for bit', async () => {
  const path = join(temporaryFolder(), 'optimizer.pth');
  const [one, two] = [groups(), groups()];
  const first = new AdamW(one, { lr: 0.01 });
  for (let step = 1; step <= 3; step++) first.step(gradsAt(step), 0.01);
  await saveTorch(path, { optimizer: first.stateDict() });

  const second = new AdamW(two, { lr: 0.01 });
  two.forEach((group, i) => {
    group.params.forEach((param, j) => {
      param.assign(one[i].params[j]);
    });
  });
  const checkpoint = await openCheckpoint(path);
  await second.loadStateDict((checkpoint.root as { optimizer: unknown }).optimizer);
  await checkpoint.close();
  first.step(gradsAt(4), 0.02);
  second.step(gradsAt(4), 0.02);
  two.forEach((group, i) => {
    group.params.forEach((param, j) => {
      assert.deepEqual(param.dataSync(), one[i].params[j].dataSync());
    });
  });
});

test('the state of another model is refused', async () => {
  const other = new AdamW([{ names: ['weight'], params: [tf.variable(tf.zeros([2]))], weightDecay: 0 }], {
    lr: 0.01,
  });
  other.step(new Map([['weight', tf.ones([2])]]), 0.01);
  await assert.rejects(new AdamW(groups(), { lr: 0.01 }).loadStateDict(other.stateDict()), /another model/);
});

test('a saved moment of another shape is refused with the name of its parameter', async () => {
  const wide = groups();
  wide[0].params[0] = tf.variable(tf.zeros([2, 3]));
  const other = new AdamW(wide, { lr: 0.01 });
  other.step(new Map([['weight', tf.ones([2, 3])]]), 0.01);
  await assert.rejects(
    new AdamW(groups(), { lr: 0.01 }).loadStateDict(other.stateDict()),
    /exp_avg of weight/,
  );
});
