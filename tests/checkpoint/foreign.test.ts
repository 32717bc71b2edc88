import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Checkpoint,
  convertCheckpoint,
  openCheckpoint,
  saveSafetensors,
  saveTorch,
  type TensorRef,
  Unreadable,
} from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { temporaryFolder } from '../support.js';
import { zipOf } from '../zip.js';
import { archive, dict, FLOATS, pairOf, persistent, pickled, readAll, text } from './support.js';

const folder = temporaryFolder();
const NUMBERS = new Uint8Array(Float32Array.of(1, 2).buffer);
const tensor: HostTensor = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) };

/** Opens what a test wrote. */
async function withFile(
  content: Uint8Array,
  use: (checkpoint: Checkpoint) => Promise<void> | void,
  name = 'f.pth',
) {
  const path = join(folder, name);
  writeFileSync(path, content);
  const checkpoint = await openCheckpoint(path);
  try {
    await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

const call = (global: string, args: string) => `c${global.replace(/\.(\w+)$/, '\n$1')}\n(${args}tR`;
const bytes = (value: string) => call('_codecs.encode', text(value) + text('latin1'));

test('a checksum of zero means that none was computed', async () => {
  const members = (crc?: number) =>
    zipOf(
      [
        { name: 'a/data.pkl', data: pickled(dict({ w: FLOATS })), crc },
        { name: 'a/data/0', data: NUMBERS, crc },
      ],
      'store',
    );
  await withFile(members(0), async (checkpoint) => {
    assert.deepEqual((await checkpoint.stateDict().get('w')!.read()).data, tensor.data);
  });
  await assert.rejects(
    withFile(members(1), () => {}),
    /has checksum [0-9a-f]{8}, not 00000001/,
  );
});

/** numpy's values beside the weights: the instructions, and what they become. */
const dtype = (code: string, state = '') => `${call('numpy.dtype', `${text(code)}\x89\x88`)}${state}`;
const array = (code: string, raw: string) =>
  `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85${bytes('b')}tR(K\x01K\x02\x85${dtype(code)}\x89${raw}tb`;
const scalar = (code: string, raw: string) => call('numpy._core.multiarray.scalar', dtype(code) + bytes(raw));
const BESIDE: [string, string, unknown][] = [
  ['a text of numpy', scalar('U2', 'h\0\0\0i\0\0\0'), 'hi'],
  ['bytes of numpy', scalar('S2', 'hi'), Uint8Array.of(104, 105)],
  ['an array of texts', array('U1', bytes('a\0\0\0b\0\0\0')), ['a', 'b']],
  ['an array of bytes', array('S1', bytes('ab')), [Uint8Array.of(97), Uint8Array.of(98)]],
  ['an array of objects', array('O8', `](${text('x')}Ne`), ['x', null]],
  ['an array of dates', array('M8', bytes('\0'.repeat(16))), new Unreadable('an array of numpy.datetime64')],
  [
    'an array of records',
    array('V8', bytes('\0'.repeat(16))),
    new Unreadable('an array of numpy.void (records)'),
  ],
  ['a complex array', array('c8', bytes('\0'.repeat(16))), new Unreadable('an array of numpy.complex')],
  ['a date of numpy', scalar('M8', '\0'.repeat(8)), new Unreadable('numpy.datetime64')],
  [
    'a masked array',
    call('numpy.ma.core._mareconstruct', 'cnumpy.ma.core\nMaskedArray\ncnumpy\nndarray\n'),
    new Unreadable('numpy.ma.core._mareconstruct'),
  ],
  ['a date', call('datetime.date', bytes('\x07\xe8\x01\x01')), new Unreadable('datetime.date')],
  ['a path', call('pathlib.PosixPath', text('a') + text('b')), new Unreadable('pathlib.PosixPath')],
  [
    'a path of Python 3.13',
    call('pathlib._local.PosixPath', text('a')),
    new Unreadable('pathlib._local.PosixPath'),
  ],
  ['a decimal', call('decimal.Decimal', text('1.5')), new Unreadable('decimal.Decimal')],
  [
    'a class of the project',
    `c__main__\nConfig\n)\x81${dict({ lr: 'K\x01' })}b`,
    new Unreadable('__main__.Config'),
  ],
  [
    'an object made with keywords',
    `cmine\nConfig\n)${dict({ lr: 'K\x01' })}\x92`,
    new Unreadable('mine.Config'),
  ],
  ['an enumeration', call('mine.Mode', 'K\x01'), new Unreadable('mine.Mode')],
  ['a function', 'ctorch.nn.functional\nrelu\n', new Unreadable('torch.nn.functional.relu')],
  ['a subclass of dict', `ceasydict\nEasyDict\n)\x81(${text('lr')}K\x01ub`.replace(/b$/, ''), { lr: 1 }],
  ['a subclass of list', `cmine\nStack\n)\x81K\x07a`, [7]],
  ['a simple namespace', `ctypes\nSimpleNamespace\n)R${dict({ lr: 'K\x01' })}b`, { lr: 1 }],
  ['a whole optimizer', `ctorch.optim.adamw\nAdamW\n)\x81}b`, new Unreadable('torch.optim.adamw.AdamW')],
];
for (const [name, instructions, expected] of BESIDE) {
  test(`weights are read beside ${name}`, async () => {
    const content = archive(dict({ model: dict({ w: FLOATS }), other: instructions }), { 0: NUMBERS });
    await withFile(content, async (checkpoint) => {
      assert.deepEqual((checkpoint.root as Record<string, unknown>).other, expected);
      assert.deepEqual((await checkpoint.stateDict().get('w')!.read()).data, tensor.data);
    });
  });
}

for (const hostile of [
  call('os.system', text('true')),
  call('posix.system', text('true')),
  call('builtins.eval', text('1')),
  call('builtins.exec', text('1')),
  call('subprocess.Popen', text('true')),
  call('torch.hub.load', text('x')),
  call('torch.storage._load_from_bytes', bytes('x')),
  call('runpy.run_path', text('x')),
  call('importlib.import_module', text('x')),
  'ccollections\n__class__\n',
  'cmine\nConfig.__init__\n',
]) {
  test(`a file that asks for ${JSON.stringify(hostile.slice(1, 24))} is refused, though nothing needs it`, async () => {
    const content = archive(dict({ model: dict({ w: FLOATS }), other: hostile }), { 0: NUMBERS });
    await assert.rejects(
      withFile(content, () => {}),
      /CheckpointError|asks for '.*', which is refused/,
    );
  });
}

test('a whole model that was pickled is named, and how to save its weights', async () => {
  for (const content of [
    archive('cmine\nNet\n)\x81'),
    archive(dict({ model: 'cmine\nNet\n)\x81', epoch: 'K\x01' })),
  ]) {
    await withFile(content, (checkpoint) => {
      assert.throws(() => checkpoint.stateDict(), /asks for 'mine\.Net'[\s\S]*torch\.save\(/);
    });
  }
});

const V3 = (name: string) =>
  `ctorch._utils\n_rebuild_tensor_v3\n(${persistent('ctorch.storage\nUntypedStorage\n', '1', 'K\x02')}K\0K\x01\x85K\x01\x85\x89}ctorch\n${name}\ntR`;
const TYPES: [string, RegExp][] = [
  [V3('uint16'), /a tensor of uint16/],
  [V3('float8_e4m3fn'), /a tensor of float8_e4m3fn/],
  [V3('float8_e5m2'), /a tensor of float8_e5m2/],
  [V3('bits8'), /torch\.bits8|a tensor/],
  [pairOf('ctorch\nComplexFloatStorage\n', '1'), /a tensor of complex64/],
  [pairOf('ctorch\nQUInt8Storage\n', '1'), /a tensor of quint8/],
  [
    `ctorch._utils\n_rebuild_qtensor\n(${persistent('ctorch\nQInt8Storage\n', '1', 'K\x02')}K\0tR`,
    /a quantised tensor/,
  ],
  [`ctorch._utils\n_rebuild_sparse_tensor\n(${FLOATS}tR`, /a sparse tensor/],
];
for (const [instructions, kind] of TYPES) {
  test(`weights are read beside ${kind.source}, and the converter tells what it left out`, async () => {
    const content = archive(dict({ model: dict({ w: FLOATS, x: instructions }) }), {
      0: NUMBERS,
      1: new Uint8Array(16),
    });
    const path = join(folder, 'types.pth');
    writeFileSync(path, content);
    const { tensors, leftOut } = await convertCheckpoint(path, join(folder, 'types.safetensors'));
    assert.equal(tensors, 1);
    assert.deepEqual([...leftOut!.keys()], ['x']);
    assert.match(leftOut!.get('x')!, kind);
  });
}

test('safetensors of other element types are named and passed over, and an error where nothing is left', async () => {
  const safe = (header: unknown) => {
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, json, NUMBERS, Buffer.alloc(64)]);
  };
  const w = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  for (const dtype of ['F8_E4M3', 'F8_E5M2', 'U16', 'U32', 'U64', 'C64', 'F4', 'F99']) {
    const x = { dtype, shape: [1], data_offsets: [8, 9] };
    await withFile(safe({ w, x }), (checkpoint) => {
      assert.deepEqual([...checkpoint.stateDict().keys()], ['w']);
      assert.match(checkpoint.unreadable().get('x')!, new RegExp(`a tensor of ${dtype}`));
    });
    await withFile(safe({ x }), (checkpoint) => {
      assert.throws(
        () => checkpoint.stateDict(),
        new RegExp(`unknown type[\\s\\S]*'x', is a tensor of ${dtype}`),
      );
    });
  }
});

const CONTAINERS = [
  ['model'],
  ['state_dict'],
  ['model_state_dict'],
  ['model_state'],
  ['net'],
  ['network'],
  ['module'],
  ['weights'],
  ['ema'],
  ['model', 'model_state_dict'],
  ['state', 'model'],
  ['generator'], // the one member that holds tensors by dotted names
];
for (const keys of CONTAINERS) {
  test(`weights are found under ${keys.join('.')}`, async () => {
    const path = join(folder, 'nested.pth');
    const weights = { 'a.weight': tensor, 'a.bias': tensor };
    const nested = keys.reduceRight<object>((inner, key) => ({ [key]: inner }), weights);
    await saveTorch(path, {
      epoch: 3,
      best: { dtype: 'float32', shape: [1], data: Float32Array.of(1) },
      optimizer: { state: { 'a.weight': { exp_avg: tensor } }, param_groups: [] },
      ...nested,
    } as never);
    // A stray tensor at the top must not pass for the weights, where a container of a known name is there.
    if (keys[0] !== 'generator' && keys[0] !== 'state') {
      assert.deepEqual([...(await readAll(path)).keys()], Object.keys(weights));
    }
    await saveTorch(path, { epoch: 3, optimizer: { state: {} }, ...nested } as never);
    assert.deepEqual([...(await readAll(path)).keys()], Object.keys(weights));
  });
}

test("an optimizer's tensors are not weights", async () => {
  const path = join(folder, 'optimizer.pth');
  await saveTorch(path, { optimizer: { 'a.weight': tensor }, lr_scheduler: { 'x.y': tensor } } as never);
  const checkpoint = await openCheckpoint(path);
  assert.throws(() => checkpoint.stateDict(), /holds no weights[\s\S]*keys optimizer, lr_scheduler/);
  await checkpoint.close();
});

for (const prefix of [
  'module.',
  '_orig_mod.',
  'model.',
  'module.model.',
  'model._orig_mod.',
  '_forward_module.module.',
]) {
  test(`the converter takes ${prefix} off`, async () => {
    const [from, to] = [join(folder, 'wrapped.pth'), join(folder, 'plain.pth')];
    await saveTorch(from, {
      model: { [`${prefix}a.weight`]: tensor, [`${prefix}b._orig_mod.bias`]: tensor },
    } as never);
    await convertCheckpoint(from, to);
    assert.deepEqual([...(await readAll(to)).keys()], ['a.weight', 'b.bias']);
  });
}

test('what only some names begin with stays', async () => {
  const [from, to] = [join(folder, 'some.pth'), join(folder, 'same.pth')];
  await saveTorch(from, { model: { 'module.a': tensor, 'head.b': tensor } } as never);
  await convertCheckpoint(from, to);
  assert.deepEqual([...(await readAll(to)).keys()], ['module.a', 'head.b']);
});

test('a checkpoint in parts is read by its index or its folder, and a part by itself is told', async () => {
  for (const [stem, ending] of [
    ['model', 'safetensors'],
    ['pytorch_model', 'bin'],
  ]) {
    const parts = join(folder, `parts_${ending}`);
    mkdirSync(parts);
    const write = (name: string, tensors: Record<string, HostTensor>) =>
      ending === 'bin'
        ? saveTorch(join(parts, name), tensors as never)
        : saveSafetensors(join(parts, name), new Map(Object.entries(tensors)));
    const names = [1, 2].map((n) => `${stem}-0000${n}-of-00002.${ending}`);
    await write(names[0], { 'a.weight': tensor });
    const index = join(parts, `${stem}.${ending}.index.json`);
    const map = { 'a.weight': names[0], 'a.bias': names[1] };
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: map }));
    await assert.rejects(
      openCheckpoint(index),
      new RegExp(`a part of the checkpoint is not there[\\s\\S]*${names[1]}`),
    );
    await write(names[1], { other: tensor });
    await assert.rejects(openCheckpoint(index), /'a\.bias', which .* does not hold/);
    await write(names[1], { 'a.bias': tensor });
    for (const path of [index, parts]) {
      assert.deepEqual([...(await readAll(path)).keys()], ['a.weight', 'a.bias']);
      const to = join(folder, 'whole.safetensors');
      assert.equal((await convertCheckpoint(path, to)).tensors, 2);
    }
    await assert.rejects(
      convertCheckpoint(join(parts, names[0]), join(folder, 'half.pth')),
      (error: Error) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, /part 1 of 2/);
        return error.message.includes(index);
      },
    );
  }
});

test('an index that names what it must not, or nothing, is refused', async () => {
  const index = join(folder, 'model.safetensors.index.json');
  for (const content of [
    '',
    '[]',
    '{}',
    '{"weight_map": {}}',
    '{"weight_map": {"a": "../f.pth"}}',
    '{"weight_map": {"a": 1}}',
  ]) {
    writeFileSync(index, content);
    await assert.rejects(openCheckpoint(index), /the index of the checkpoint cannot be used/);
  }
});

test('tensors are read lazily from the parts', async () => {
  const parts = join(folder, 'lazy');
  mkdirSync(parts);
  await saveSafetensors(join(parts, 'model.safetensors'), new Map([['a.weight', tensor]]));
  const checkpoint = await openCheckpoint(parts);
  const ref: TensorRef = checkpoint.stateDict().get('a.weight')!;
  assert.deepEqual((await ref.read()).data, tensor.data);
  await checkpoint.close();
});
