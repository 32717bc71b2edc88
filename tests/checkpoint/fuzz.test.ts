import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { openCheckpoint } from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import { fixture, temporaryFolder } from '../support.js';
import { storedZip } from '../zip.js';
import { readEverything } from './support.js';

/** Cases of each property; LAVIS_FUZZ_CASES=20000 for a long run. */
const numRuns = Number(process.env.LAVIS_FUZZ_CASES ?? 250);
const folder = temporaryFolder();
const path = join(folder, 'case');
const outcomes = { read: 0, refused: 0, slowestMs: 0, mostBytes: 0 };

after(() => {
  const { read, refused, slowestMs, mostBytes } = outcomes;
  const most = `${Math.round(mostBytes / 2 ** 20)} MiB resident at most`;
  console.log(`${read + refused} files: ${refused} refused, ${read} read, slowest ${slowestMs} ms, ${most}`);
});

/** Opens a file and reads all of it: well, or with a CheckpointError, soon. */
async function survives(content: Uint8Array): Promise<void> {
  writeFileSync(path, content);
  const start = performance.now();
  try {
    const checkpoint = await openCheckpoint(path);
    try {
      await readEverything(checkpoint.root);
      checkpoint.stateDict();
    } finally {
      await checkpoint.close();
    }
    outcomes.read++;
  } catch (thrown) {
    if (!(thrown instanceof CheckpointError)) throw thrown;
    assert.ok(thrown.message.includes(path), 'the file is named');
    outcomes.refused++;
  }
  const ms = Math.round(performance.now() - start);
  outcomes.slowestMs = Math.max(outcomes.slowestMs, ms);
  outcomes.mostBytes = Math.max(outcomes.mostBytes, process.memoryUsage.rss());
  assert.ok(ms < 10_000, `${ms} ms`);
}

/** A change somewhere in a file; places are fractions, so that they fit files of any length. */
const place = fc.noBias(fc.nat(999_999)).map((n) => n / 1e6);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 8 });
const kinds = {
  flip: fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
  set: fc.record({ kind: fc.constant('set' as const), at: place, bytes }),
  cut: fc.record({ kind: fc.constant('cut' as const), at: place, length: fc.nat(64) }),
  insert: fc.record({ kind: fc.constant('insert' as const), at: place, bytes }),
  repeat: fc.record({ kind: fc.constant('repeat' as const), at: place, length: fc.nat(200) }),
  end: fc.record({ kind: fc.constant('end' as const), at: place }),
};
const change = fc.oneof(
  { weight: 6, arbitrary: kinds.flip },
  { weight: 4, arbitrary: kinds.set },
  { weight: 2, arbitrary: fc.oneof(kinds.cut, kinds.insert, kinds.repeat) },
  { weight: 1, arbitrary: kinds.end },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function apply(original: Buffer, changes: Change[]): Buffer {
  let bytes = Buffer.from(original);
  for (const one of changes) {
    const at = Math.floor(one.at * bytes.length);
    const rest = (skip: number) => bytes.subarray(Math.min(bytes.length, at + skip));
    const head = bytes.subarray(0, at);
    if (one.kind === 'set') bytes.set(one.bytes.subarray(0, bytes.length - at), at);
    else if (one.kind === 'flip' && bytes.length > 0) bytes[at] ^= 1 << one.bit;
    else if (one.kind === 'cut') bytes = Buffer.concat([head, rest(one.length)]);
    else if (one.kind === 'insert') bytes = Buffer.concat([head, one.bytes, rest(0)]);
    else if (one.kind === 'repeat') bytes = Buffer.concat([head, rest(0).subarray(0, one.length), rest(0)]);
    else if (one.kind === 'end') bytes = Buffer.from(head);
  }
  return bytes;
}

const changes = fc.array(change, { minLength: 1, maxLength: 4 });
const check = <T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => Promise<void>) =>
  fc.assert(fc.asyncProperty(arbitrary, property), {
    numRuns,
    seed: Number(process.env.LAVIS_FUZZ_SEED ?? 20),
  });

const FILES = [
  'views.pth',
  'views_legacy.pth',
  'views_big_endian.pth',
  'plain.pth',
  'plain_legacy_protocol5.pth',
];
for (const file of FILES) {
  test(`${file}, altered anywhere, is read or refused`, async () => {
    const original = readFileSync(fixture('checkpoints', file));
    await check(changes, (list) => survives(apply(original, list)));
  });
}

test('a safetensors file, altered in its header, is read or refused', async () => {
  const whole = readFileSync(fixture('tiny_caption', 'weights.safetensors'));
  const end = 8 + Number(whole.readBigUInt64LE());
  const tail = whole.subarray(end);
  await check(changes, (list) =>
    survives(Buffer.concat([apply(whole.subarray(0, 2000), list), whole.subarray(2000, end), tail])),
  );
});

/** The pickle inside a zip file, where no checksum hides what was altered. */
function pickleOf(file: string): Buffer {
  const bytes = readFileSync(fixture('checkpoints', file));
  const start = bytes.indexOf(Buffer.of(0x80, file.includes('protocol4') ? 4 : 2));
  return bytes.subarray(start, bytes.indexOf('PK\x07\x08', start, 'latin1'));
}

const storages = Object.fromEntries(
  Array.from({ length: 14 }, (_, i) => [`a/data/${i}`, new Uint8Array(96)]),
);
for (const file of ['views.pth', 'plain.pth', 'plain_protocol4.pth']) {
  test(`the pickle of ${file}, altered under a right checksum, is read or refused`, async () => {
    const pickle = pickleOf(file);
    await survives(storedZip({ 'a/data.pkl': pickle, ...storages }));
    await check(changes, (list) => survives(storedZip({ 'a/data.pkl': apply(pickle, list), ...storages })));
  });
}

const name = fc.constantFrom(
  ...['collections\nOrderedDict', 'torch._utils\n_rebuild_tensor_v2', 'torch\nFloatStorage', 'torch\nSize'],
  ...[
    '__builtin__\nset',
    'numpy\ndtype',
    'numpy.core.multiarray\n_reconstruct',
    'numpy\nndarray',
    '_codecs\nencode',
  ],
  ...[
    'argparse\nNamespace',
    'omegaconf.dictconfig\nDictConfig',
    'torch._utils\n_rebuild_parameter',
    'os\nsystem',
  ],
  ...[
    'copy_reg\n_reconstructor',
    '__builtin__\nobject',
    'collections\ndefaultdict',
    'numpy.core.multiarray\nscalar',
  ],
);
const latin = (text: string) => Buffer.from(text, 'latin1');
const codes = (...values: number[]) => fc.constantFrom(...values).map((code) => Buffer.of(code));
const word = fc.constantFrom(
  '0',
  'storage',
  'cpu',
  'f4',
  'latin1',
  '_content',
  '<',
  '|',
  'weight',
  '__proto__',
);
const atom = fc.oneof(
  codes(0x4e, 0x88, 0x89, 0x29, 0x5d, 0x7d, 0x8f),
  fc.nat(255).map((value) => Buffer.of(0x4b, value)),
  fc.integer().map((value) => Buffer.concat([latin('J'), Buffer.from(Int32Array.of(value).buffer)])),
  word.map((text) => latin(`X${String.fromCharCode(text.length)}\0\0\0${text}`)),
  name.map((value) => latin(`c${value}\n`)),
  fc.uint8Array({ maxLength: 8 }).map((value) => Buffer.concat([latin('C'), Buffer.of(value.length), value])),
  fc.nat(5).map((index) => Buffer.of(0x68, index)),
);
/** One instruction; alone, most of them fail soon. */
const instruction = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...'(tlu0129eabRQ.').map(latin) },
  { weight: 2, arbitrary: codes(0x81, 0x85, 0x86, 0x87, 0x90, 0x91, 0x92, 0x93, 0x94) },
  { weight: 1, arbitrary: fc.nat(5).map((index) => Buffer.of(0x71, index)) },
  { weight: 6, arbitrary: atom },
);
/** Whole values, of any meaning: calls of any known name with any arguments, states of anything. */
const { value } = fc.letrec<{ value: Buffer; tuple: Buffer; called: Buffer }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: atom },
    { weight: 2, arbitrary: tie('tuple') },
    { weight: 3, arbitrary: tie('called') },
    {
      weight: 1,
      arbitrary: fc.tuple(tie('called'), tie('value')).map(([a, b]) => Buffer.concat([a, b, latin('b')])),
    },
    { weight: 1, arbitrary: tie('tuple').map((tuple) => Buffer.concat([tuple, latin('Q')])) },
    {
      weight: 1,
      arbitrary: fc
        .array(tie('value'), { maxLength: 4 })
        .map((all) => Buffer.concat([latin('('), ...all, latin('l')])),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(word, tie('value'))
        .map(([key, inner]) =>
          Buffer.concat([latin(`}X${String.fromCharCode(key.length)}\0\0\0${key}`), inner, latin('s')]),
        ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(tie('value'), fc.nat(5))
        .map(([inner, index]) => Buffer.concat([inner, Buffer.of(0x71, index)])),
    },
  ),
  tuple: fc
    .array(tie('value'), { maxLength: 6 })
    .map((all) => Buffer.concat([latin('('), ...all, latin('t')])),
  called: fc
    .tuple(name, tie('tuple'))
    .map(([callee, args]) => Buffer.concat([latin(`c${callee}\n`), args, latin('R')])),
}));

test('pickles of values at random are read or refused', async () => {
  const start = Buffer.concat([
    latin(']q\0}q\x01)q\x02K\x01q\x03cargparse\nNamespace\n)Rq\x04C\x02abq\x0500000'),
  ]);
  await check(value, (inner) =>
    survives(storedZip({ 'a/data.pkl': Buffer.concat([start, inner, latin('.')]), ...storages })),
  );
});

test('pickles of instructions at random are read or refused', async () => {
  await check(fc.array(instruction, { maxLength: 60 }), (list) =>
    survives(
      storedZip({ 'a/data.pkl': Buffer.concat([Buffer.of(0x80, 2), ...list, latin('.')]), ...storages }),
    ),
  );
});

test('bytes at random are refused', async () => {
  const heads = fc.constantFrom(
    '',
    'PK\x03\x04',
    '\x80\x02',
    '\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.',
    '\x08\0\0\0\0\0\0\0{',
  );
  await check(fc.tuple(heads, fc.uint8Array({ maxLength: 300 })), ([head, bytes]) =>
    survives(Buffer.concat([latin(head), bytes])),
  );
});
