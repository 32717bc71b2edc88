import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { loadCApi } from '#src/engine/onnx/c_api.js';
import { AdamWHelpers, STATE, TASK_LENGTH, waitWhileBusy } from '#src/engine/onnx/fused/adamw_helpers.js';
import { type AdamWArrays, updateInLoop } from '#src/engine/onnx/fused/adamw_loop.js';

const attrs = {
  beta1: 0.9,
  beta2: 0.99,
  eps: 1e-8,
  stepSize: 0.1,
  rootCorrection: 0.1,
  shrink: 0.999,
};
const arrays = () =>
  [1, 2, 3, 4].map((seed) =>
    Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * seed) ** 2),
  ) as AdamWArrays;

test('helpers update their part of the memory as the loop would', async () => {
  const helpers = new AdamWHelpers(3);
  for (let waited = 0; helpers.ready < 2 && waited < 20_000; waited += 20) await setTimeout(20);
  assert.equal(helpers.ready, 2);
  const [expected, actual] = [arrays(), arrays()];
  const part = (from: number, to: number) => actual.map((array) => array.subarray(from, to)) as AdamWArrays;
  for (let step = 0; step < 3; step++) {
    updateInLoop(expected, attrs);
    helpers.run([part(400, 700), part(700, 1000)], attrs, loadCApi().addressOf, () =>
      updateInLoop(part(0, 400), attrs),
    );
  }
  assert.deepEqual(actual, expected);
  assert.equal(helpers.ready, 2);
});

test('a notice that comes late does not have an update done twice', async () => {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const task = new Float64Array(new SharedArrayBuffer(8 * TASK_LENGTH));
  const url = import.meta.resolve('#src/engine/onnx/fused/adamw_worker.js');
  const worker = new Worker(new URL(url), { workerData: { state, task } });
  try {
    for (let waited = 0; Atomics.load(state, 0) !== STATE.idle && waited < 20_000; waited += 20)
      await setTimeout(20);
    const [expected, actual] = [arrays(), arrays()];
    updateInLoop(expected, attrs);
    const { beta1, beta2, eps, stepSize, rootCorrection, shrink } = attrs;
    const constants = [1000, beta1, beta2, eps, stepSize, rootCorrection, shrink];
    task.set([...actual.map(loadCApi().addressOf), ...constants]);
    Atomics.store(state, 0, STATE.busy);
    Atomics.notify(state, 0);
    waitWhileBusy(state);
    for (let late = 0; late < 20; late++) {
      Atomics.notify(state, 0);
      await setTimeout(2);
    }
    assert.deepEqual(actual, expected);
  } finally {
    await worker.terminate();
  }
});

test('a notice of an earlier task does not end the wait for this one', async () => {
  const shared = new Int32Array(new SharedArrayBuffer(4)).fill(STATE.busy);
  const code = `
    const { workerData: state } = require('node:worker_threads');
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let early = 0; early < 20; early++) {
      Atomics.notify(state, 0);
      Atomics.wait(pause, 0, 0, 5);
    }
    Atomics.store(state, 0, ${STATE.idle});
    Atomics.notify(state, 0);`;
  const worker = new Worker(code, { eval: true, workerData: shared });
  waitWhileBusy(shared);
  assert.equal(Atomics.load(shared, 0), STATE.idle);
  await worker.terminate();
  shared.fill(STATE.busy);
  waitWhileBusy(shared, 10);
  assert.equal(Atomics.load(shared, 0), STATE.busy, 'a helper that never answers is given up');
});
