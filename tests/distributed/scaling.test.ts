import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allReduceSeconds, type Cluster, predictStep, scalesUpTo } from '#src/distributed/scaling.js';

const link = { latency: 1e-5, bandwidth: 1e9 };
const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) <= 1e-9 * expected, `${actual} for ${expected}`);

test('a ring sends 2 (n - 1) / n of the bytes, in 2 (n - 1) messages', () => {
  assert.equal(allReduceSeconds(1e9, 1, link, 'ring'), 0);
  near(allReduceSeconds(1e9, 2, link, 'ring'), 1 + 2e-5);
  near(allReduceSeconds(1e9, 8, link, 'ring'), 1.75 + 14e-5);
});

test('a tree wins where messages are many and small', () => {
  assert.ok(allReduceSeconds(1e3, 1024, link, 'tree') < allReduceSeconds(1e3, 1024, link, 'ring') / 50);
  assert.ok(allReduceSeconds(1e9, 4, link, 'ring') < allReduceSeconds(1e9, 4, link, 'tree'));
});

const workload = {
  forwardSeconds: 1,
  backwardSeconds: 2,
  updateSeconds: 0.5,
  gradientBytes: 1e9,
  bucketBytes: 25e6,
};
const cluster: Cluster = {
  workersPerMachine: 8,
  inside: { latency: 1e-5, bandwidth: 5e9 },
  between: { latency: 5e-5, bandwidth: 3e9 },
  algorithm: 'ring',
  overlap: false,
};

test('one worker needs its own time and no more', () => {
  const { stepSeconds, efficiency, exposedSeconds } = predictStep(workload, cluster, 1);
  assert.deepEqual([stepSeconds, efficiency, exposedSeconds], [3.5, 1, 0]);
});

test('without overlap all communication is added; with it, what the backward pass does not hide', () => {
  const plain = predictStep(workload, cluster, 16);
  const expected =
    40 *
    (allReduceSeconds(25e6, 8, cluster.inside, 'ring') + allReduceSeconds(25e6, 2, cluster.between, 'ring'));
  near(plain.exposedSeconds, expected);
  near(plain.stepSeconds, 3.5 + expected);
  const hidden = predictStep(workload, { ...cluster, overlap: true }, 16);
  near(hidden.exposedSeconds, expected / 40);
});

test('workers that want more cores than there are take turns', () => {
  const machine = { ...cluster, workersPerMachine: 4, coresPerWanted: 0.5 };
  const [two, four] = [2, 4].map((workers) =>
    predictStep({ ...workload, gradientBytes: 0 }, machine, workers),
  );
  near(two.stepSeconds, 3.5 + two.exposedSeconds);
  near(four.stepSeconds, 7 + four.exposedSeconds);
});

test('scaling ends where half is lost', () => {
  const slow = { ...cluster, workersPerMachine: 1, between: { latency: 1e-3, bandwidth: 1e8 } };
  const predictions = [1, 2, 4, 8].map((workers) => predictStep(workload, slow, workers));
  assert.equal(scalesUpTo(predictions), 1);
  assert.equal(scalesUpTo([1, 2, 4, 8].map((n) => predictStep(workload, cluster, n))), 8);
});
