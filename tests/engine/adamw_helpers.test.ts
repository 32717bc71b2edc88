import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { loadCApi } from '#src/engine/onnx/c_api.js';
import { AdamWHelpers } from '#src/engine/onnx/fused/adamw_helpers.js';
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
