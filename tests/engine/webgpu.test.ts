import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { setupEngine, tf } from '#src/engine/index.js';
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
