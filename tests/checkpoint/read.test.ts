import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OrderedDict, openCheckpoint, type TensorRef } from '#src/checkpoint/index.js';
import { type HostTensor, toFloat32 } from '#src/common/host_tensor.js';
import { fixture, fixtureJson } from '../support.js';
import { readAll } from './support.js';

interface Key {
  key: string;
  shape: number[];
  dtype: string;
  tied_to: string | null;
}
const { keys } = fixtureJson<{ keys: Key[] }>('tiny_caption', 'state_dict.json');

test('zip, legacy and safetensors files of one model hold the same numbers', async () => {
  const zip = await readAll(fixture('tiny_caption', 'weights.pth'));
  assert.deepEqual(
    [...zip].map(([key, { shape, dtype }]) => ({ key, shape, dtype })),
    keys.map(({ key, shape, dtype }) => ({ key, shape, dtype })),
  );
  assert.deepEqual(await readAll(fixture('tiny_caption', 'weights_legacy.pth')), zip);
  const safe = await readAll(fixture('tiny_caption', 'weights.safetensors'));
  assert.equal(safe.size, zip.size);
  for (const [name, tensor] of zip) assert.deepEqual(safe.get(name), tensor, name);
});

test('float16 weights are those of float32, rounded', async () => {
  const whole = await readAll(fixture('tiny_caption', 'weights.pth'));
  const half = await readAll(fixture('tiny_caption', 'weights_half.pth'));
  for (const [name, tensor] of half) {
    if (tensor.dtype !== 'float16') continue;
    const exact = toFloat32(whole.get(name)!);
    toFloat32(tensor).forEach((value, i) => {
      assert.ok(
        Math.abs(value - exact[i]) <= Math.max(Math.abs(exact[i]) * 2 ** -11, 2 ** -25),
        `${name}[${i}]`,
      );
    });
  }
});

test('tied weights are known as the same', async () => {
  for (const file of ['weights.pth', 'weights_legacy.pth']) {
    const checkpoint = await openCheckpoint(fixture('tiny_caption', file));
    const state = checkpoint.stateDict();
    for (const { key, tied_to } of keys) {
      if (tied_to) assert.equal(state.get(key)!.identity, state.get(tied_to)!.identity, key);
    }
    assert.equal(new Set([...state.values()].map(({ identity }) => identity)).size, keys.length - 2);
    await checkpoint.close();
  }
});

test("a checkpoint of LAVIS's runner is read whole, optimizer and configuration included", async () => {
  const resume = fixtureJson<Record<string, unknown>>('tiny_caption', 'resume', 'resume.json');
  const checkpoint = await openCheckpoint(fixture('tiny_caption', 'resume', 'checkpoint_0.pth'));
  const root = checkpoint.root as Record<string, unknown>;
  assert.deepEqual(Object.keys(root), resume.checkpoint_keys);
  assert.ok(root.model instanceof OrderedDict);
  assert.deepEqual(root.config, resume.config);
  assert.equal(root.epoch, 0);
  assert.equal(root.scaler, null);
  const { state, param_groups } = root.optimizer as {
    state: Map<number, Record<string, TensorRef>>;
    param_groups: { params: number[] }[];
  };
  assert.deepEqual(param_groups, resume.optimizer_param_groups);
  const order = resume.optimizer_param_order as string[];
  assert.deepEqual([...state.keys()], [...order.keys()]);
  for (const [index, moments] of state) {
    assert.deepEqual(Object.keys(moments), ['step', 'exp_avg', 'exp_avg_sq']);
    assert.equal((await moments.step.read()).data[0], resume.optimizer_step_after_epoch0);
    assert.deepEqual(moments.exp_avg.shape, checkpoint.stateDict().get(order[index])!.shape);
    assert.equal(
      (await moments.exp_avg_sq.read()).data.length,
      moments.exp_avg_sq.shape.reduce((a, b) => a * b, 1),
    );
  }
  await checkpoint.close();
  assert.equal((await readAll(fixture('tiny_caption', 'resume', 'bare_state_dict.pth'))).size, 56);
});

const VIEWS = ['views.pth', 'views_legacy.pth', 'views_torch2.pth', 'views_big_endian.pth'];
for (const file of VIEWS) {
  test(`${file}: every element type, strided, shared, expanded, scalar and empty tensors`, async () => {
    const expected = fixtureJson<
      Record<string, { dtype: string; shape: number[]; data: (number | string)[] }>
    >('checkpoints', 'views.json');
    const tensors = await readAll(fixture('checkpoints', file));
    for (const [name, { dtype, shape, data }] of Object.entries(expected)) {
      const tensor = tensors.get(name) as HostTensor;
      assert.equal(tensor.dtype, dtype, name);
      assert.deepEqual(tensor.shape, shape, name);
      const isSmall = dtype === 'float16' || dtype === 'bfloat16';
      const values = Array.from<number | bigint>(isSmall ? toFloat32(tensor) : tensor.data);
      assert.deepEqual(values.map(String), data.map(String), name);
    }
    assert.deepEqual(tensors.get('tied'), tensors.get('transposed'));
  });
}

for (const file of ['plain.pth', 'plain_protocol4.pth', 'plain_legacy_protocol5.pth']) {
  test(`${file}: OmegaConf, argparse, numpy and Python's containers come as plain data`, async () => {
    const checkpoint = await openCheckpoint(fixture('checkpoints', file));
    const root = checkpoint.root as Record<string, unknown>;
    // biome-ignore lint/suspicious/noTemplateCurlyInString: OmegaConf's interpolation
    const run = { lr: 1e-5, splits: ['train', 'val'], ref: '${run.lr}', none: null, on: true };
    const { array, fortran, big, rng, ...plain } = root as Record<string, TensorRef>;
    assert.deepEqual(plain, {
      omegaconf: { run, n: 3 },
      namespace: { lr: 0.5, names: ['a', 'b'], nested: { x: 1 } },
      np: { f8: 0.1, f4: 0.5, i8: -9, b: true, u4: 2 ** 32 - 1 },
      counter: { a: 2, b: 1 },
      default: { a: [1] },
      deque: [1, 2],
      bytes: Uint8Array.of(0, 255),
      set: new Set([1]),
      frozen: new Set(['a']),
      complex: { real: 1, imaginary: 2 },
      big_int: 2n ** 70n,
      neg: -(2n ** 70n),
      tuple: [1, [2], []],
      device: 'cuda:1',
      size: [2, 3],
      dtype: 'torch.float16',
      float: 1,
      inf: Number.POSITIVE_INFINITY,
      text: 'grün 🐈',
      keys: new Map<unknown, unknown>([
        [1, 'a'],
        [[1, 2], 'b'],
        [null, 'c'],
      ]),
    });
    const shape = [2, 3];
    assert.deepEqual(await array.read(), {
      dtype: 'float32',
      shape,
      data: Float32Array.of(0, 1, 2, 3, 4, 5),
    });
    assert.deepEqual(await fortran.read(), { dtype: 'int16', shape, data: Int16Array.of(0, 1, 2, 3, 4, 5) });
    assert.deepEqual((await big.read()).data, Int32Array.of(0, 1, 2));
    assert.deepEqual((await rng.read()).data, BigInt64Array.of(1n, 1812433254n, 3713160357n));
    await checkpoint.close();
  });
}
