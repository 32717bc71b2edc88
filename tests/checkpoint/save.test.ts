import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  OrderedDict,
  openCheckpoint,
  PyFloat,
  saveSafetensors,
  saveTorch,
  tuple,
} from '#src/checkpoint/index.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const weight: HostTensor = {
  dtype: 'float32',
  shape: [2, 3],
  data: Float32Array.of(1, -2, 3.5, 0, 1e-30, 6),
};
const ids: HostTensor = { dtype: 'int64', shape: [1, 2], data: BigInt64Array.of(-1n, 2n ** 40n) };

test('what is saved is read back, tied tensors once', async () => {
  const path = join(folder, 'own.pth');
  const value = {
    model: new OrderedDict([
      ['a.weight', weight],
      ['tied.weight', weight],
      ['position_ids', ids],
    ]),
    optimizer: { state: new Map([[0, { step: { dtype: 'float32', shape: [], data: Float32Array.of(4) } }]]) },
    config: {
      name: 'größe',
      list: [1, 2.5, -3, 2 ** 40, -(2 ** 31), 70000, null, true],
      empty: [],
      none: {},
    },
    betas: tuple(0.9, 0.999),
    wide: tuple(1, 2, 3, 4),
    set: new Set([1, 2]),
    bytes: Uint8Array.of(0, 255, 128),
    huge: 2n ** 100n,
    negative: -(2n ** 63n),
    float: new PyFloat(1),
    __proto__x: 1,
    scaler: null,
    left: undefined,
  };
  await saveTorch(path, value as never);
  const checkpoint = await openCheckpoint(path);
  const root = checkpoint.root as Record<string, never>;
  assert.deepEqual(Object.keys(root), Object.keys(value).slice(0, -1));
  for (const key of ['config', 'betas', 'wide', 'set', 'bytes', 'huge', 'negative', 'scaler'] as const) {
    assert.deepEqual(root[key], value[key], key);
  }
  assert.equal(root.float, 1);
  assert.ok(Object.isFrozen(root.betas) && !Object.isFrozen((root.config as { list: [] }).list));
  const state = checkpoint.stateDict();
  assert.deepEqual(await state.get('a.weight')!.read(), weight);
  assert.deepEqual(await state.get('position_ids')!.read(), ids);
  assert.equal(state.get('a.weight')!.identity, state.get('tied.weight')!.identity);
  await checkpoint.close();
  const bytes = await readFile(path);
  assert.equal(
    bytes.indexOf(Buffer.from(weight.data.buffer)),
    bytes.lastIndexOf(Buffer.from(weight.data.buffer)),
  );
  assert.equal(bytes.indexOf(Buffer.from(weight.data.buffer)) % 64, 0);
  assert.deepEqual(await readdir(folder), ['own.pth']);
});

test('safetensors are read back with their metadata', async () => {
  const path = join(folder, 'own.safetensors');
  const tensors = new Map([
    ['half', { dtype: 'bfloat16', shape: [3], data: Uint16Array.of(1, 2, 3) } as HostTensor],
    ['ids', ids],
    ['weight', weight],
    ['again', weight],
  ]);
  await saveSafetensors(path, tensors, { format: 'pt' });
  const checkpoint = await openCheckpoint(path);
  assert.equal(checkpoint.metadata.format, 'pt');
  for (const [name, tensor] of tensors) {
    assert.deepEqual(await checkpoint.stateDict().get(name)!.read(), tensor, name);
  }
  await checkpoint.close();
});
