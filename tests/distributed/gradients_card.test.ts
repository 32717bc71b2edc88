import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GradientAverager } from '#src/distributed/gradients.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { isHostMemory, tf } from '#src/engine/index.js';
import { useRecorder } from '../engine/recorder.js';
import { noWebGpu } from '../engine/webgpu_here.js';

/** Some too large for WebGPU to keep at hand. */
const SIZES = [3, 5000, 1, 1700, 1200];

/** An engine that has its tensors elsewhere: the one that is active, or TensorFlow.js's own. */
const engines: [name: string, skip: string | false, use: () => Promise<unknown>][] = [
  ['WebGPU', noWebGpu, () => tf.setBackend('webgpu')],
  ['an engine without fused operations', false, useRecorder],
];

for (const [name, skip, use] of engines) {
  describe(`gradients on ${name}`, { skip }, () => {
    it('are read in one piece a bucket, without being waited for, and all that was held is let go', async (t) => {
      await use();
      assert.ok(!isHostMemory());
      const variables = new Map(
        SIZES.map((size, i) => [`v${i}`, tf.variable(tf.fill([size], i), true, `${name}_${i}`)]),
      );
      // Buckets: v4, v3 and v2 together, v1, v0.
      const averager = new GradientAverager(new SingleCommunicator(), variables, { bucketBytes: 12_000 });
      const data = t.mock.method(tf.Tensor.prototype, 'data');
      const dataSync = t.mock.method(tf.Tensor.prototype, 'dataSync');
      for (const factor of [0.25, 2]) {
        const before = tf.memory().numTensors;
        averager.begin(Promise.resolve([3]));
        for (const [i, size] of [...SIZES.entries()].reverse()) {
          if (i === 0) continue; // v0 has no gradient
          const grad = tf.tidy(() => tf.mul(tf.range(0, size), factor));
          averager.add(`v${i}`, grad);
          grad.dispose();
        }
        const grads = await averager.finish();
        assert.equal(dataSync.mock.callCount(), 0, 'a gradient was waited for');
        assert.equal(data.mock.callCount(), 2, 'one read a bucket that has gradients');
        assert.deepEqual([...grads.keys()], ['v4', 'v3', 'v2', 'v1']);
        for (const [key, grad] of grads) {
          const expected = Array.from({ length: SIZES[Number(key[1])] }, (_, i) => i * factor);
          assert.deepEqual([...(await grad.data())], expected, key);
        }
        tf.dispose([...grads.values()]);
        data.mock.resetCalls();
        assert.equal(tf.memory().numTensors, before);
      }
    });

    it('of a step that failed are let go by the next one', () => {
      const variables = new Map([['v', tf.variable(tf.zeros([4]), true, `${name}_failed`)]]);
      variables.set('w', tf.variable(tf.zeros([4]), true, `${name}_failed_w`));
      const averager = new GradientAverager(new SingleCommunicator(), variables);
      const before = tf.memory().numTensors;
      averager.begin();
      const grad = tf.ones([4]);
      averager.add('v', grad);
      grad.dispose();
      averager.begin();
      assert.equal(tf.memory().numTensors, before);
    });
  });
}
