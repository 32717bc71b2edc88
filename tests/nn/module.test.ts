import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { CheckpointError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { Rng } from '#src/common/random.js';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import {
  dropoutIn,
  dropPathIn,
  LayerNorm,
  Linear,
  Module,
  normal,
  runBlock,
  truncatedNormal,
  uniformFanIn,
} from '#src/nn/index.js';

/** A residual block with everything random in it. */
class NoisyBlock extends Module {
  readonly norm = this.child('norm', new LayerNorm(6, 1e-6));
  readonly dense = this.child('dense', new Linear(6, 6, normal(0.5)));

  forward(x: tf.Tensor, rng?: Rng): tf.Tensor {
    const hidden = dropoutIn(rng, this.dense.forward(this.norm.forward(x)), 0.3);
    return x.add(dropPathIn(rng, hidden, 0.4));
  }
}

class Tower extends Module {
  readonly blocks = this.childList('blocks', [new NoisyBlock(), new NoisyBlock()]);
  readonly count = this.buffer('count', () => tf.scalar(3, 'int32'));
  readonly scale = this.parameter('scale', [2], normal(1));
  readonly again = this.tied('again', this.scale);
}

const host = (shape: number[], value: number): HostTensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
});

before(() => setupEngine());

describe('a module', () => {
  it('lists parameters, then buffers, then children; tied names only in the state dict', () => {
    const tower = new Tower();
    const block = (i: number) =>
      ['norm.weight', 'norm.bias', 'dense.weight', 'dense.bias'].map((name) => `blocks.${i}.${name}`);
    assert.deepEqual([...tower.namedParameters().keys()], ['scale', ...block(0), ...block(1)]);
    assert.deepEqual([...tower.namedBuffers().keys()], ['count']);
    assert.deepEqual([...tower.stateDict().keys()], ['scale', 'again', 'count', ...block(0), ...block(1)]);
    tower.dispose();
  });

  it('reports what is missing and unexpected, refuses both when strict, and other shapes always', () => {
    const tower = new Tower();
    const state = { scale: host([2], 7), stranger: host([1], 0) };
    const report = tower.loadStateDict(state, { strict: false });
    assert.deepEqual(report.unexpected, ['stranger']);
    assert.equal(report.missing.length, 10);
    assert.deepEqual([...tower.scale.dataSync()], [7, 7]);
    assert.throws(
      () => tower.loadStateDict(state),
      (error: CheckpointError) => error instanceof CheckpointError && /stranger/.test(error.message),
    );
    assert.throws(() => tower.loadStateDict({ scale: host([3], 1) }, { strict: false }), /\[3\] for \[2\]/);
    assert.deepEqual([...tower.scale.dataSync()], [7, 7]);
    tower.dispose();
  });

  it('loads the state of another without sharing its memory', () => {
    const [one, other] = [new Tower(), new Tower()];
    one.initialize(1);
    other.loadStateDict(one.stateDict());
    one.scale.assign(tf.zeros([2]));
    assert.notDeepEqual([...other.scale.dataSync()], [0, 0]);
    assert.equal(other.count.dtype, 'int32');
    for (const tower of [one, other]) tower.dispose();
  });

  it('trains what is not frozen, and saves and loads all of it', () => {
    const tower = new Tower();
    tower.blocks[0].freeze();
    const trained = [...tower.namedParameters().keys()];
    assert.deepEqual(
      trained.filter((name) => name.startsWith('blocks.0.')),
      [],
    );
    assert.deepEqual(
      [...tower.frozenParameters().keys()],
      ['norm.weight', 'norm.bias', 'dense.weight', 'dense.bias'].map((name) => `blocks.0.${name}`),
    );
    assert.equal(tower.stateDict().size, 11);
    const x = tf.ones([2, 6]);
    const { value, grads } = valueAndGrads(
      () => tower.blocks[1].forward(tower.blocks[0].forward(x)).mul(tower.scale.sum()).sum() as tf.Scalar,
      tower.namedParameters(),
    );
    assert.deepEqual([...grads.keys()], trained);
    tf.dispose([value, ...grads.values()]);
    tower.dispose();
  });

  it('draws a shared part once, by its first name', () => {
    class Shared extends Module {
      readonly one = this.child('one', new Linear(2, 2, normal(1)));
      readonly other = this.child('other', this.one);
    }
    const [shared, alone] = [new Shared(), new Shared()];
    shared.initialize(1);
    alone.initialize(1, new Set(['one.weight']));
    assert.deepEqual([...shared.namedParameters().keys()], ['one.weight', 'one.bias']);
    assert.deepEqual([...shared.one.weight.dataSync()], [...alone.one.weight.dataSync()]);
    for (const module of [shared, alone]) module.dispose();
  });

  it('frees all it made', () => {
    const before = tf.memory().numTensors;
    const tower = new Tower();
    tower.initialize(3);
    tower.loadStateDict(tower.stateDict());
    tower.dispose();
    assert.equal(tf.memory().numTensors, before);
  });
});

describe('a block', () => {
  it('gives the same value and gradients when it keeps only its input, noise included', () => {
    const tower = new Tower();
    tower.initialize(5);
    const x = tf.variable(tf.randomNormal([4, 3, 6], 0, 1, 'float32', 9));
    const run = (keep: 'saved' | 'input') =>
      valueAndGrads(
        () => {
          const rng = Rng.of(11);
          const y = tower.blocks.reduce<tf.Tensor>((state, block) => runBlock(block, state, rng, keep), x);
          return y.square().sum() as tf.Scalar;
        },
        new Map([['x', x], ...tower.blocks[0].namedParameters(), ...tower.blocks[1].dense.namedParameters()]),
      );
    const [saved, input] = [run('saved'), run('input')];
    assert.equal(input.value.dataSync()[0], saved.value.dataSync()[0]);
    assert.deepEqual([...input.grads.keys()], [...saved.grads.keys()]);
    for (const [name, grad] of saved.grads) {
      assert.deepEqual([...input.grads.get(name)!.dataSync()], [...grad.dataSync()], name);
    }
    for (const { value, grads } of [saved, input]) tf.dispose([value, ...grads.values()]);
    tower.dispose();
    x.dispose();
  });
});

describe('random parts', () => {
  it('are the identity in evaluation', () => {
    const x = tf.ones([2, 3]);
    assert.equal(dropoutIn(undefined, x, 0.5), x);
    assert.equal(dropPathIn(undefined, x, 0.5), x);
    x.dispose();
  });

  it('drop whole samples and keep the mean', () => {
    const [rate, samples] = [0.3, 20000];
    const dropped = tf.tidy(() =>
      dropPathIn(Rng.of(1), tf.ones([samples, 2]), rate).arraySync(),
    ) as number[][];
    assert.ok(dropped.every(([a, b]) => a === b && (a === 0 || Math.abs(a - 1 / 0.7) < 1e-6)));
    const mean = dropped.reduce((sum, [value]) => sum + value, 0) / samples;
    assert.ok(Math.abs(mean - 1) < 0.02, `${mean}`);
  });

  it('draw from the normal distribution, tails included', () => {
    const values = new Float32Array(1_000_000);
    normal(1)(values, Rng.of(4));
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    const beyond = (edge: number) => values.filter((value) => Math.abs(value) > edge).length / values.length;
    assert.ok(Math.abs(moment(1)) < 5e-3, `mean ${moment(1)}`);
    assert.ok(Math.abs(moment(2) - 1) < 5e-3, `variance ${moment(2)}`);
    assert.ok(Math.abs(moment(3)) < 2e-2 && Math.abs(moment(4) - 3) < 5e-2, `${moment(3)}, ${moment(4)}`);
    assert.ok(Math.abs(beyond(1) - 0.3173) < 2e-3 && Math.abs(beyond(2) - 0.0455) < 1e-3);
    assert.ok(Math.abs(beyond(3.6) - 3.18e-4) < 1e-4, `${beyond(3.6)} beyond 3.6`);
  });

  it('draw first values with the mean and spread that are asked for', () => {
    const values = new Float32Array(20001);
    const spread = () => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    normal(0.02)(values, Rng.of(1));
    assert.ok(Math.abs(spread() - 0.02) < 5e-4);
    truncatedNormal(1.5)(values, Rng.of(2));
    assert.ok(values.every((value) => Math.abs(value) <= 2) && spread() < 1.5);
    uniformFanIn(16)(values, Rng.of(3));
    assert.ok(values.every((value) => Math.abs(value) <= 0.25));
    assert.ok(Math.abs(spread() - 0.25 / Math.sqrt(3)) < 2e-3);
  });
});
