import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { HostTensor } from '#src/common/host_tensor.js';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import { readAll } from '../checkpoint/support.js';
import { assertNear, differenceTo } from '../models/family.js';
import { hostOf, type PairArch, PlainTask, pairModel, pairsOf, rankPart, ranks2 } from '../models/pairs.js';
import { readTensors } from '../models/tiny.js';
import { temporaryFolder } from '../support.js';
import { runRanks } from './ranks.js';

type Tensors = ReadonlyMap<string, HostTensor>;

interface Told {
  losses: Record<string, number>;
}

before(async () => {
  await setupEngine({ device: 'cpu', threads: 1 });
});

/** What two ranks made of their first step; both the same to the last bit, weights after the second one too. */
async function twoRanks(arch: PairArch, { all = false, accumulate = 1 } = {}) {
  const folder = temporaryFolder();
  const args = [arch, folder, String(accumulate), all ? 'all' : 'own'];
  const results = await runRanks(2, 'contrastive', args);
  for (const { code, output } of results) assert.equal(code, 0, output);
  const [one, other] = await Promise.all(
    [0, 1].map((rank) => readAll(join(folder, `rank${rank}.safetensors`))),
  );
  assert.deepEqual([...one.keys()], [...other.keys()]);
  for (const [name, { data }] of one) assert.deepEqual(data, other.get(name)!.data, name);
  const { losses } = results[0].values[0] as Told;
  assert.deepEqual((results[1].values[0] as Told).losses, losses);
  return { tensors: one as Tensors, losses };
}

describe('retrieval on two ranks', () => {
  for (const mode of ['own_rank', 'all_ranks'] as const) {
    it(`has the reference's losses, gradients and queue, negatives of ${mode.replace('_', ' ')}`, async () => {
      const { tensors, losses } = await twoRanks('blip_retrieval', { all: mode === 'all_ranks' });
      const expected = await readTensors('tiny_retrieval', 'ranks2.safetensors');
      const { ranks, gradient_l2 } = ranks2[mode];
      for (const name of ['loss', 'loss_itc', 'loss_itm']) {
        const mean = ranks.reduce((sum, rank) => sum + rank.losses[name], 0) / ranks.length;
        assertNear(losses[name], mean, 1e-5, name);
      }
      const queues = ['image_queue', 'text_queue', 'idx_queue'].map((name, i) => [name, `queue.${i}`]);
      for (const [name, own] of [...queues, ['queue_ptr', 'pointer']]) {
        await near(tensors.get(own)!, expected.get(`${name}_after`)!, 5e-5, name);
      }
      for (const [name, wanted] of expected) {
        const prefix = `${mode}.gradient.`;
        if (!name.startsWith(prefix)) continue;
        const scale = Math.max(1, ...(wanted.data as Float32Array).map(Math.abs)); // the temperature's is large
        await near(tensors.get(name.slice(mode.length + 1))!, wanted, 1e-5 * scale, name);
      }
      for (const [name, length] of Object.entries(gradient_l2)) {
        const values = tensors.get(`gradient.${name}`)!.data as Float32Array;
        const found = Math.hypot(...values);
        assert.ok(Math.abs(found - length) <= 1e-5 * Math.max(1, length), `${name}: ${found} for ${length}`);
      }
    });
  }

  it('does so where an update takes two micro-steps', async () => {
    for (const all of [false, true]) {
      const { tensors } = await twoRanks('blip_retrieval', { all, accumulate: 2 });
      const expected = await readTensors('tiny_retrieval', 'ranks2.safetensors');
      await near(tensors.get('queue.2')!, expected.get('idx_queue_after')!, 0, 'idx_queue');
      const mean = ranks2[all ? 'all_ranks' : 'own_rank'].gradient_l2;
      assert.equal(
        [...tensors.keys()].filter((name) => name.startsWith('gradient.')).length,
        Object.keys(mean).length,
      );
    }
  });
});

it('ranks share the rows of a comparison, and each has all of them', async () => {
  interface Compared {
    scoreI2t: number[][];
    scoreT2i: number[][];
    rows: number;
  }
  const expected = await readTensors('tiny_retrieval', 'evaluation.safetensors');
  // 6 images and 13 texts over 4 ranks: the last one has no image, and one text.
  const results = await runRanks(4, 'sim_matrix');
  const told = results.map(({ values, output }) => {
    assert.equal(values.length, 1, output);
    return values[0] as Compared;
  });
  assert.deepEqual(
    told.map(({ rows }) => rows),
    [2 + 4, 2 + 4, 2 + 4, 0 + 1],
  );
  for (const { scoreI2t, scoreT2i } of told) {
    await near(hostOf(tf.tensor2d(scoreI2t)), expected.get('score_i2t')!, 1e-4, 'score_i2t');
    await near(hostOf(tf.tensor2d(scoreT2i)), expected.get('score_t2i')!, 1e-4, 'score_t2i');
  }
});

it('pretraining on two ranks is the mean of both, each beside the queue as it was, and fills it in their order', async () => {
  const { tensors, losses } = await twoRanks('blip_pretrain');
  const pairs = await pairsOf(false);
  const gradients = new Map<string, tf.Tensor>();
  const alone: Record<string, number> = {};
  const queued: tf.Tensor[] = [];
  for (const rank of [0, 1]) {
    const model = await pairModel('blip_pretrain');
    tf.tidy(() => model.queue.pointer.assign(tf.tensor1d([pairs.pointer], 'int32')));
    const task = new PlainTask();
    const samples = task.trainSamples(rankPart(pairs, rank, 2), pairs.at);
    const { grads } = valueAndGrads(() => {
      const step = task.trainStep(model, samples);
      for (const [name, loss] of Object.entries(step.named)) {
        alone[name] = (alone[name] ?? 0) + loss.dataSync()[0] / 2;
      }
      return step.loss.div(2) as tf.Scalar;
    }, model.namedParameters());
    for (const [name, grad] of grads) {
      const before = gradients.get(name);
      gradients.set(name, before ? before.add(grad) : grad);
    }
    queued.push(model.queue.queues[0].slice([0, pairs.pointer], [-1, 2]).clone());
    model.dispose();
  }
  for (const [name, loss] of Object.entries(alone)) assertNear(losses[name], loss, 1e-5, name);
  for (const [name, grad] of gradients) {
    const scale = Math.max(1, ...(grad.dataSync() as Float32Array).map(Math.abs));
    await near(tensors.get(`gradient.${name}`)!, hostOf(grad), 1e-5 * scale, name);
  }
  const { shape, data } = tensors.get('queue.0')!;
  const queue = tf.tensor2d(data as Float32Array, shape as [number, number]);
  const written = tf.concat([queue.slice([0, pairs.pointer], [-1, 4])], 1);
  await near(hostOf(written), hostOf(tf.concat(queued, 1)), 1e-6, 'image_queue');
  assert.deepEqual([...(tensors.get('pointer')!.data as Int32Array)], [(pairs.pointer + 4) % shape[1]]);
});

async function near(found: HostTensor, expected: HostTensor, tolerance: number, what: string) {
  assert.ok(found, what);
  const tensor = tf.tensor(found.data as Float32Array, [...found.shape]);
  const difference = await differenceTo(expected, tensor);
  tensor.dispose();
  assert.ok(difference <= tolerance, `${what} is off by ${difference}`);
}
