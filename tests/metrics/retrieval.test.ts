import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setupEngine, tf } from '#src/engine/index.js';
import { retrievalMetrics } from '#src/metrics/index.js';
import { fixtureJson } from '../support.js';

interface Case {
  name: string;
  score_i2t: number[][];
  score_t2i: number[][];
  txt2img: Record<number, number>;
  img2txt: Record<number, number[]>;
  metrics: Record<string, number>;
}

const { cases } = fixtureJson<{ cases: Case[] }>('tiny_retrieval', 'metrics.json');

for (const { name, score_i2t, score_t2i, txt2img, img2txt, metrics } of cases) {
  test(`recalls equal the reference's, ties included: ${name}`, () => {
    assert.deepEqual({ ...retrievalMetrics(score_i2t, score_t2i, { txt2img, img2txt }) }, metrics);
  });
}

test('scores may be tensors', async () => {
  await setupEngine({ device: 'cpu' });
  const [{ score_i2t, score_t2i, txt2img, img2txt }] = cases;
  assert.deepEqual(
    retrievalMetrics(tf.tensor2d(score_i2t), tf.tensor2d(score_t2i), { txt2img, img2txt }),
    retrievalMetrics(score_i2t, score_t2i, { txt2img, img2txt }),
  );
});
