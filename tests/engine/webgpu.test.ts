import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { EngineError } from '#src/common/errors.js';
import { adamwUpdate, addInto, deviceMemory, setupEngine, sumOfSquares, tf } from '#src/engine/index.js';
import { noWebGpu } from './webgpu_here.js';

describe('the WebGPU engine', { skip: noWebGpu }, () => {
  before(() => setupEngine({ device: 'webgpu' }));

  test('says which adapter it is', async () => {
    const engine = await setupEngine({ device: 'webgpu' });
    assert.equal(engine.name, 'webgpu');
    assert.equal(engine.backend, tf.getBackend());
    assert.match(engine.description, /^webgpu: WebGPU on .+/);
  });

  test('reads synchronously and asynchronously what it computed', async () => {
    const x = tf.range(0, 3000).reshape([50, 60]);
    const y = x.add(1).sum();
    assert.deepEqual(y.dataSync(), Float32Array.of(4501500));
    assert.deepEqual(await y.data(), Float32Array.of(4501500));
    assert.deepEqual(x.greater(2998).sum().dataSync(), Int32Array.of(1));
    assert.deepEqual((await x.less(1).data()).slice(0, 2), Uint8Array.of(1, 0));
  });

  test('reads many tensors at the same time, also while others wait', async () => {
    const tensors = Array.from({ length: 20 }, (_, i) => tf.fill([2000], i).mul(2));
    const pending = tensors.map((x) => x.data());
    assert.equal(tensors[7].dataSync()[3], 14);
    const values = await Promise.all(pending);
    assert.deepEqual(
      values.map((v) => v[1999]),
      tensors.map((_, i) => 2 * i),
    );
  });

  test('gives memory back: what lies idle never exceeds the most that was in use', () => {
    const backend = tf.backend() as unknown as { memory(): { numBytesAllocatedInGPU: number } };
    const large = tf.ones([1 << 20]).mul(2);
    large.dataSync();
    large.dispose();
    const peak = backend.memory().numBytesAllocatedInGPU;
    for (let size = 1 << 18; size < (1 << 18) + 40; size++) {
      const x = tf.tidy(() => tf.ones([size]).mul(3));
      x.dataSync();
      x.dispose();
    }
    assert.ok(backend.memory().numBytesAllocatedInGPU <= peak);
  });

  test('tells the memory of the card', () => {
    const x = tf.ones([1000]).mul(2);
    x.dataSync();
    assert.ok(deviceMemory()! >= 4000);
  });

  test('adds up squares and gradients in place, where nobody else sees the memory', () => {
    const [a, b] = [tf.range(0, 40_000).mul(1), tf.ones([40_000]).mul(2)];
    const clone = a.clone();
    const sum = addInto(a, b);
    assert.notEqual(sum.dataId, a.dataId);
    assert.equal(a.dataSync()[39_999], 39_999);
    clone.dispose();
    const next = addInto(sum, b);
    assert.equal(next.dataId, sum.dataId);
    sum.dispose();
    assert.deepEqual(next.dataSync().slice(0, 3), Float32Array.of(4, 5, 6));
    assert.equal(sumOfSquares([b, tf.ones([3]), tf.zeros([0])]), 160_003);
  });

  test('an update in place changes no clone and no array that a parameter was made from', () => {
    const array = Float32Array.from({ length: 2000 }, (_, i) => i);
    const param = tf.variable(tf.tensor(array));
    const [expAvg, expAvgSq] = [tf.variable(tf.zeros([2000])), tf.variable(tf.zeros([2000]))];
    const rates = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 };
    const clone = param.clone();
    for (const step of [1, 2])
      adamwUpdate({ param, grad: tf.ones([2000]), expAvg, expAvgSq, ...rates, step });
    assert.equal(array[1999], 1999);
    assert.deepEqual(clone.dataSync(), array);
    assert.notEqual(param.dataSync()[1999], 1999);
  });

  test('a command that the GPU refuses is told at the next read, and the engine goes on', () => {
    const backend = tf.backend() as unknown as { run(dispatch: object): void };
    const x = tf.ones([8]).mul(3);
    backend.run({ key: 'broken', code: () => 'no WGSL', tensors: [x], params: [], workgroups: 1 });
    assert.throws(
      () => x.dataSync(),
      (error: Error) => {
        assert.ok(error instanceof EngineError);
        assert.match(error.message, /^the GPU refused a command\n {2}found: +.*WGSL/);
        return true;
      },
    );
    assert.equal(x.add(1).dataSync()[0], 4);
  });

  test('an adapter that is not there is refused with those that are', async () => {
    await assert.rejects(
      setupEngine({ device: 'webgpu:9' }),
      /webgpu:9: .*there is .*0: .*|has a WebGPU device/,
    );
  });
});

test('an environment without Vulkan is told what it lacks', {
  skip: process.platform !== 'linux',
}, async () => {
  const { spawnSync } = await import('node:child_process');
  const script =
    "import('#src/engine/index.js').then((m) => m.setupEngine({ device: 'webgpu' })).catch((e) => console.log(e.message))";
  const env = { ...process.env, LAVIS_VULKAN_LOADER: '/nowhere/libvulkan.so.1' };
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env,
    encoding: 'utf8',
  });
  assert.match(stdout, /nowhere\/libvulkan\.so\.1 cannot be loaded/);
  assert.match(stdout, /help: +.*LAVIS_VULKAN_LOADER=/s);
});
