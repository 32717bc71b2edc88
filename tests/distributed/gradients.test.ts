import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GradientAverager } from '#src/distributed/gradients.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { tf } from '#src/engine/index.js';
import { runRanks } from './ranks.js';

interface Trained {
  rank: number;
  weights: Record<string, number[]>;
}

async function train(ranks: number, engine: string[] = []): Promise<Trained[]> {
  const results = await runRanks(ranks, 'training', engine);
  return results.map(({ values, output }) => {
    assert.equal(values.length, 1, output);
    return values[0] as Trained;
  });
}

/** The same bits on all ranks, and one rank's weights but for rounding. */
function compare([one]: Trained[], ranks: Trained[]): void {
  for (const { weights } of ranks) assert.deepEqual(weights, ranks[0].weights);
  for (const [name, values] of Object.entries(one.weights)) {
    const scale = Math.max(...values.map(Math.abs));
    for (const [i, value] of values.entries()) {
      const difference = Math.abs(ranks[0].weights[name][i] - value) / scale;
      assert.ok(difference < 1e-6, `${name}[${i}] differs by ${difference}`);
    }
  }
}

test('ranks with parts of a batch end with one rank’s weights, and with the same bits on all ranks', async () => {
  const one = await train(1);
  for (const ranks of [2, 4]) compare(one, await train(ranks));
});

test('so do ranks whose gradients come from elsewhere, bucket by bucket', async () => {
  compare(await train(1), await train(2, ['elsewhere']));
});

test('gradients come back as they were in a world of one, whatever the buckets', async () => {
  const variables = new Map(
    [3, 50, 1, 7].map((size, i) => [`v${i}`, tf.variable(tf.fill([size], i), true, `one_${i}`)]),
  );
  const averager = new GradientAverager(new SingleCommunicator(), variables, { bucketBytes: 64 });
  for (const weight of [1, 3]) {
    averager.begin(Promise.resolve([weight]));
    averager.add('v3', tf.fill([7], 0.25));
    averager.add('v1', tf.range(0, 50));
    assert.throws(() => averager.add('v1', tf.range(0, 50)), /two gradients/);
    const grads = await averager.finish();
    assert.deepEqual([...grads.keys()].sort(), ['v1', 'v3']);
    assert.deepEqual([...grads.get('v1')!.dataSync()], [...Array(50).keys()]);
    assert.deepEqual([...grads.get('v3')!.dataSync()], new Array(7).fill(0.25));
  }
});
