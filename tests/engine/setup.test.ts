import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { setupEngine, tf } from '#src/engine/index.js';

test('the CPU engine says what it is', async () => {
  const engine = await setupEngine({ device: 'cpu', threads: 1 });
  assert.equal(engine.name, 'cpu');
  assert.equal(engine.backend, tf.getBackend());
  assert.equal(engine.threads, 1);
  assert.match(engine.description, /ONNX Runtime on 1 thread$/);
});

test('auto takes what loads, and tells why nothing before it did', async () => {
  const engine = await setupEngine();
  assert.equal(engine.backend, tf.getBackend());
  for (const { device, reason } of engine.tried) assert.ok(device && reason);
  if (engine.name === 'cpu')
    assert.deepEqual(
      engine.tried.map((t) => t.device),
      ['cuda', 'webgpu'],
    );
});

test('tensors survive another setup with other threads', async () => {
  await setupEngine({ device: 'cpu', threads: 2 });
  const x = tf.tensor1d([1, 2]).add(1);
  await setupEngine({ device: 'cpu', threads: 1 });
  assert.deepEqual([...x.mul(2).dataSync()], [4, 6]);
});

test('an unknown device is refused with a suggestion', async () => {
  await assert.rejects(setupEngine({ device: 'cud' }), /unknown device 'cud': did you mean 'cuda'/);
  await assert.rejects(setupEngine({ device: 'cpu:1' }), /unknown device 'cpu:1'/);
  await assert.rejects(setupEngine({ device: 'webgpux:0' }), /did you mean 'webgpu'/);
});

test('a device that cannot be loaded tells why and what mends it', () => {
  // A GPU that no machine has; in a process of its own, as CUDA reads which GPUs it may use only once.
  const program = `
    import { setupEngine } from '#src/engine/index.js';
    await setupEngine({ device: 'cuda:4096' }).then(() => console.log('loaded'), (error) => console.log(String(error)));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  assert.match(stdout, /no engine for device 'cuda:4096'/);
  assert.match(stdout, /found: +cuda:4096: .+/);
  assert.match(stdout, /help: .*(lavis setup cuda|docs\/gpu\.md)/s);
});
