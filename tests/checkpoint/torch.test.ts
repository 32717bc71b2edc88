import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type CheckpointValue,
  OrderedDict,
  openCheckpoint,
  PyFloat,
  saveTorch,
  tuple,
} from '#src/checkpoint/index.js';
import { tinyRun } from '../runners/tiny_run.js';
import { fixture, temporaryFolder } from '../support.js';
import { hasTorch, python } from './support.js';

const folder = temporaryFolder();
const skip = hasTorch() ? false : 'python3-torch is not installed';

/** Compares two files, value by value, type by type; prints how many tensors are equal. */
const COMPARE = `
import sys, torch
def compare(a, b, path):
    assert type(a) == type(b), (path, type(a), type(b))
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b), path
        return 1
    if isinstance(a, dict):
        assert list(a) == list(b), path
        assert hasattr(a, '_metadata') == hasattr(b, '_metadata'), path
        if hasattr(a, '_metadata'): compare(a._metadata, b._metadata, path + '._metadata')
        return sum(compare(a[k], b[k], f'{path}.{k}') for k in a)
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        return sum(compare(x, y, path) for x, y in zip(a, b))
    assert a == b, (path, a, b)
    return 0
for i in range(1, len(sys.argv), 2):
    a, b = (torch.load(path) for path in sys.argv[i:i + 2])
    storages = [len({t.storage().data_ptr() for t in x.get('model', x).values()}) for x in (a, b)]
    assert storages[0] == storages[1], storages
    print(compare(a, b, ''))`;

const FILES = ['weights.pth', 'weights_half.pth', 'resume/checkpoint_0.pth', 'resume/bare_state_dict.pth'];
test('torch.load finds in what is written here all that it wrote itself', { skip }, async () => {
  const pairs: string[] = [];
  for (const [i, file] of FILES.entries()) {
    const original = fixture('tiny_caption', file);
    const copy = join(folder, `copy${i}.pth`);
    const checkpoint = await openCheckpoint(original);
    await saveTorch(copy, checkpoint.root as CheckpointValue);
    await checkpoint.close();
    pairs.push(original, copy);
  }
  assert.deepEqual(
    python(COMPARE, ...pairs)
      .trim()
      .split('\n'),
    ['106', '106', '215', '56'],
  );
});

/**
 * Builds modules out of the names, loads strictly, puts the parameters into LAVIS's two groups and steps the
 * optimizer that was saved. With a second file: every number of the weights is compared with it.
 */
const RESUME = `
import json, sys, torch
checkpoint = torch.load(sys.argv[1])
state = checkpoint['model']
net, ties = torch.nn.Module(), {}
for name, tensor in state.items():
    module, *rest = net, *name.split('.')
    for part in rest[:-1]:
        if not hasattr(module, part): module.add_module(part, torch.nn.Module())
        module = getattr(module, part)
    if tensor.is_floating_point():
        parameter = ties.setdefault(tensor.storage().data_ptr(), torch.nn.Parameter(torch.zeros_like(tensor)))
        module.register_parameter(rest[-1], parameter)
    else:
        module.register_buffer(rest[-1], torch.zeros_like(tensor))
print(net.load_state_dict(state, strict=True))
decay, rest = [], []
for name, p in net.named_parameters():
    plain = p.ndim < 2 or any(word in name for word in ('bias', 'ln', 'bn'))
    (rest if plain else decay).append(p)
optimizer = torch.optim.AdamW([{'params': decay}, {'params': rest}])
optimizer.load_state_dict(checkpoint['optimizer'])
for p in (*decay, *rest):
    assert optimizer.state[p]['exp_avg'].shape == optimizer.state[p]['exp_avg_sq'].shape == p.shape
    p.grad = torch.ones_like(p)
optimizer.step()
print(list(checkpoint), int(optimizer.state[decay[0]]['step']), [g['weight_decay'] for g in optimizer.param_groups])
if len(sys.argv) > 2:
    expected = json.load(open(sys.argv[2]))
    assert list(expected) == list(state), (list(expected), list(state))
    for name, values in expected.items(): assert state[name].flatten().tolist() == values, name
    assert '' in state._metadata and state._metadata['visual_encoder.blocks.0.attn'] == {'version': 1}
    print(sum(map(len, expected.values())), 'numbers are equal')`;

test('PyTorch carries on a run from a copy of its checkpoint', { skip }, async () => {
  const checkpoint = await openCheckpoint(fixture('tiny_caption', 'resume', 'checkpoint_0.pth'));
  const copy = join(folder, 'resume.pth');
  await saveTorch(copy, checkpoint.root as CheckpointValue);
  await checkpoint.close();
  const keys = "['model', 'optimizer', 'config', 'scaler', 'epoch']";
  assert.deepEqual(python(RESUME, copy).trim().split('\n'), [
    '<All keys matched successfully>',
    `${keys} 5 [0.05, 0]`,
  ]);
});

test('PyTorch carries on a run that was trained here, its weights equal number by number', {
  skip,
}, async () => {
  const tiny = await tinyRun(folder, { max_epoch: 1, test_splits: [] });
  const runner = await tiny.runner('run');
  await runner.train();
  const state = runner.model.stateDict();
  const values = [...state].map(([name, tensor]) => [name, Array.from(tensor.dataSync())]);
  writeFileSync(join(folder, 'values.json'), JSON.stringify(Object.fromEntries(values)));
  const path = join(runner.folder.path, 'checkpoint_0.pth');
  const [keys, step, numbers] = python(RESUME, path, join(folder, 'values.json')).trim().split('\n');
  assert.equal(keys, '<All keys matched successfully>');
  assert.equal(step, "['model', 'optimizer', 'config', 'scaler', 'epoch', 'lavis_node'] 6 [0.05, 0.0]");
  assert.match(numbers, /^\d{4,} numbers are equal$/);
});

test('every kind of value and element arrives in Python as what it is', { skip }, async () => {
  const path = join(folder, 'values.pth');
  const tensors = {
    float64: { dtype: 'float64', shape: [1], data: Float64Array.of(1 / 3) },
    float32: { dtype: 'float32', shape: [2, 0], data: new Float32Array() },
    float16: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xfc00) },
    bfloat16: { dtype: 'bfloat16', shape: [1, 1], data: Uint16Array.of(0x3fc0) },
    int64: { dtype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 62n)) },
    int32: { dtype: 'int32', shape: [1], data: Int32Array.of(-5) },
    int16: { dtype: 'int16', shape: [1], data: Int16Array.of(-5) },
    int8: { dtype: 'int8', shape: [1], data: Int8Array.of(-5) },
    uint8: { dtype: 'uint8', shape: [1], data: Uint8Array.of(250) },
    bool: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
  };
  await saveTorch(path, {
    tensors,
    plain: [
      null,
      true,
      -1,
      255,
      256,
      65536,
      -(2 ** 31),
      2 ** 40,
      2n ** 90n,
      -1.5,
      1e300,
      'é🐈',
      tuple<number | string>(1, 'a'),
      tuple(),
    ],
    float: new PyFloat(2),
    bytes: Uint8Array.of(0, 200),
    set: new Set([1, 'b']),
    ordered: new OrderedDict([['b', 1]]),
    keys: new Map<number | readonly number[], string>([
      [0, 'zero'],
      [tuple(1, 2), 'pair'],
    ]),
    many: Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`key ${i}`, [`key ${i}`]])),
  } as never);
  const script = `
import sys, torch
from collections import OrderedDict
c = torch.load(sys.argv[1])
print({k: (str(t.dtype), list(t.shape), t.tolist()) for k, t in c['tensors'].items()})
assert c['plain'] == [None, True, -1, 255, 256, 65536, -2**31, 2**40, 2**90, -1.5, 1e300, 'é🐈', (1, 'a'), ()], c['plain']
assert type(c['float']) is float and c['bytes'] == b'\\x00\\xc8' and c['set'] == {1, 'b'}
assert type(c['ordered']) is OrderedDict and c['ordered'] == {'b': 1}
assert c['keys'] == {0: 'zero', (1, 2): 'pair'}
assert c['many'] == {f'key {i}': [f'key {i}'] for i in range(400)}`;
  const expected = `{'float64': ('torch.float64', [1], [0.3333333333333333]), 'float32': ('torch.float32', [2, 0], [[], []]), 'float16': ('torch.float16', [2], [1.0, -inf]), 'bfloat16': ('torch.bfloat16', [1, 1], [[1.5]]), 'int64': ('torch.int64', [], -4611686018427387904), 'int32': ('torch.int32', [1], [-5]), 'int16': ('torch.int16', [1], [-5]), 'int8': ('torch.int8', [1], [-5]), 'uint8': ('torch.uint8', [1], [250]), 'bool': ('torch.bool', [2], [True, False])}`;
  assert.equal(python(script, path).trim(), expected);
});
