import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { ort, Sessions } from '#src/engine/onnx/sessions.js';

/** Two steps of a parameter that is large enough for mapped memory and for the helpers of AdamW. */
const PROGRAM = `
  import { setTimeout } from 'node:timers/promises';
  import { findMapping } from '#src/distributed/local/memory_file.js';
  import { adamwUpdate, setupEngine, tf } from '#src/engine/index.js';
  await setupEngine({ device: 'cpu', threads: 3 });
  const size = 1 << 20;
  const values = (seed) => tf.range(0, size).mul(seed).sin();
  const [param, expAvg, expAvgSq] = [values(1), tf.zeros([size]), tf.zeros([size])].map((x) => tf.variable(x));
  for (let step = 1; step <= 2; step++) {
    adamwUpdate({ param, expAvg, expAvgSq, grad: values(step + 1), lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step });
    await setTimeout(500);
  }
  console.log(JSON.stringify([tf.matMul(param.reshape([1, size]), param.reshape([size, 1])).dataSync()[0], param.dataSync()[size - 1]]));
  console.log((await findMapping({})) === undefined);
  process.exit();`;

const run = (...options: string[]) =>
  spawnSync(process.execPath, [...options, '--input-type=module', '-e', PROGRAM], { encoding: 'utf8' });

test('where arrays over foreign memory are forbidden, training goes on without them', () => {
  const usual = run();
  assert.equal(usual.status, 0, usual.stderr);
  const without = run('--import', new URL('./forbid_views.js', import.meta.url).href);
  assert.equal(without.status, 0, without.stderr);
  assert.equal(without.stdout.split('\n')[0], usual.stdout.split('\n')[0]);
  assert.equal(without.stdout.split('\n')[1], 'true');
});

test('a tensor of more axes than there is room for is refused', () => {
  const sessions = new Sessions(1);
  const node = { op: 'Neg', inputs: ['x'], outputs: ['y'], domain: '', attributes: {} };
  const spec = () => ({
    inputs: { x: 'float32' as const },
    outputs: { y: 'float32' as const },
    nodes: [node],
  });
  const value = (axes: number) => ({ x: ort(new Float32Array([3]), Array(axes).fill(1)) });
  const y = new Float32Array(1);
  sessions.run('neg', spec, value(16), { y: ort(y, Array(16).fill(1)) });
  assert.equal(y[0], -3);
  assert.throws(() => sessions.run('neg', spec, value(17), { y: ort(y, [1]) }), {
    name: 'RangeError',
    message: /neg: x has 17 axes, more than 16/,
  });
  sessions.dispose();
});
