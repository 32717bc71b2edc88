import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCheckpoint } from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import { fixture, temporaryFolder } from '../support.js';
import { storedZip } from '../zip.js';
import { archive, persistent, pickled, readEverything, text } from './support.js';

const folder = temporaryFolder();

async function refused(content: Uint8Array | string, expected: RegExp, name = 'file.pth'): Promise<void> {
  const path = join(folder, name);
  writeFileSync(path, content);
  await assert.rejects(
    async () => {
      const checkpoint = await openCheckpoint(path);
      try {
        checkpoint.stateDict();
        await readEverything(checkpoint.root);
      } finally {
        await checkpoint.close();
      }
    },
    (thrown) => {
      assert.ok(thrown instanceof CheckpointError, String((thrown as Error).stack));
      assert.match(thrown.message, expected);
      assert.ok(thrown.message.includes(path), 'the file is named');
      return true;
    },
  );
}

/** A dict of one tensor over eight bytes, with the given offset, sizes and strides. */
const tensor = (offset: string, sizes: string, strides: string, count = 'K\x02') => {
  const storage = persistent('ctorch\nFloatStorage\n', '0', count);
  const call = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}${offset}${sizes}${strides}\x89}tR`;
  return storedZip({ 'a/data.pkl': pickled(`}${text('w')}${call}s`), 'a/data/0': new Uint8Array(8) });
};

test('a pickle that would run code is refused by the name of what it asks for', async () => {
  await refused(archive(`cos\nsystem\n(${text('echo')}tR`), /asks for 'os\.system', which is refused/);
  await refused(archive('cposix\nsystem\n'), /'posix\.system'/);
  await refused(archive('c__builtin__\neval\n'), /'__builtin__\.eval'/);
  await refused(archive('cbuiltins\ngetattr\n'), /'builtins\.getattr'/);
  await refused(archive(`(${text('ls')}ios\nsystem\n`), /'os\.system'/);
  await refused(archive(`\x8c\x0asubprocess\x8c\x05Popen\x93`), /'subprocess\.Popen'/);
  await refused(archive('ctorch.storage\n_load_from_bytes\n'), /'torch\.storage\._load_from_bytes'/);
  await refused(archive('ccollections\n__class__\n'), /'collections\.__class__'/);
  await refused(archive('c__main__\nNet\n'), /'__main__\.Net'.*refused[\s\S]*help:.*torch\.save/);
  await refused(archive('\x82\x01'), /pickle instruction 0x82/);
});

test('the names that are known cannot be bent to other ends', async () => {
  await refused(archive('ctorch\nFloatStorage\n)R'), /calls 'torch\.FloatStorage'/);
  await refused(archive('cnumpy\nndarray\n)\x81'), /calls 'numpy\.ndarray'/);
  await refused(archive('c__builtin__\nlist\n}b'), /a state for what takes none/);
  await refused(archive(`ccopy_reg\n_reconstructor\n(${text('x')}NNtR`), /object of unknown class/);
  await refused(archive(`c_codecs\nencode\n(${text('x')}${text('rot13')}tR`), /bytes of unknown encoding/);
  await refused(archive(persistent('ctorch\nFloatStorage\n', '9', 'K\x01')), /no data\/9/);
});

test('a tensor that leaves its storage is refused', async () => {
  await refused(tensor('K\x01', 'K\x02\x85', 'K\x01\x85'), /leaves its storage/);
  await refused(tensor('K\x00', 'K\x03\x85', 'K\x01\x85'), /leaves its storage/);
  await refused(tensor('K\x00', 'K\x02\x85', 'K\x02\x85'), /leaves its storage/);
  await refused(tensor('J\xff\xff\xff\xff', 'K\x01\x85', 'K\x01\x85'), /impossible shape/);
  await refused(tensor('K\x00', 'K\x02\x85', 'J\xff\xff\xff\xff\x85'), /impossible shape/);
  await refused(tensor('K\x00', 'K\x02\x85', ')'), /impossible shape/);
  await refused(tensor('K\x00', 'K\x02\x85', 'K\x01\x85', 'K\x09'), /data\/0 has 8 bytes, not 36/);
  const huge = `(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft`;
  await refused(tensor('K\x00', huge, 'K\x00K\x00\x86'), /impossible shape|beyond reason/);
  await refused(tensor('K\x00', 'J\xff\xff\xff\x7f\x85', 'K\x00\x85'), /beyond reason/);
});

test('structures without end are refused', async () => {
  await refused(archive(']q\x00h\x00a'), /contains itself/);
  await refused(archive(']'.repeat(200) + 'a'.repeat(199)), /nests more than 100/);
  // Each list holds the one before twice: a billion laughs in 200 bytes.
  const laughs = `]q\x00${Array.from({ length: 60 }, (_, i) => {
    const [last, next] = [i, i + 1].map((n) => String.fromCharCode(n));
    return `](h${last}h${last}eq${next}`;
  }).join('')}`;
  await refused(archive(laughs), /holds more than 10000000 values/);
  await refused(archive('('.repeat(1_200_000)), /nests too deep/);
  await refused(archive('}'.repeat(1_200_000)), /holds more than 500000 objects/);
  await refused(archive('K\x01'.repeat(4_200_000)), /too many values/);
  const million = `B\x00\x00\x10\x00${'a'.repeat(2 ** 20)}q\x00c__builtin__\nbytes\nq\x01`;
  await refused(archive(`${million}${'h\x01h\x00\x85R0'.repeat(600)}`), /copies too much/);
  await refused(archive(`\x8b\x00\x00\x00\x10`), /whole number of 268435456 bytes/);
  await refused(archive(`I${'9'.repeat(100_000)}\n`), /line longer than/);
});

test('a pickle that does not hold together is refused', async () => {
  for (const bad of [
    '',
    '0',
    'h\x05',
    'a',
    't',
    'u',
    '(K\x01d',
    ']K\x01s',
    ')K\x01a',
    'R',
    'K\x01)R',
    'Ix\n',
    'b',
  ]) {
    await refused(archive(bad), /damaged|cut short|lacks a mark/);
  }
  await refused(archive(`](]K\x01d`), /container as the key|key without a value|damaged/);
  await refused(archive('X\xff\xff\xff\x7f'), /longer than|cut short/);
});

test('what is no checkpoint is told by what it is', async () => {
  await refused('', /not a checkpoint[\s\S]*an empty file/);
  await refused('<!DOCTYPE html><html>Sign in</html>', /a web page: the download went wrong/);
  await refused('version https://git-lfs.github.com/spec/v1\noid x', /git lfs pull/);
  await refused('epoch: 3\n', /text: "epoch: 3/);
  await refused(
    storedZip({ 'word/document.xml': '<x/>' }),
    /zip archive without a PyTorch pickle[\s\S]*word\/document\.xml/,
  );
  await refused(storedZip({ 'a/data.pkl': '', 'a/constants.pkl': '' }), /TorchScript/);
  await refused(pickled(`}${text('a')}K\x01s`), /a pickle, but not one of PyTorch/);
  await refused(archive(`}${text('epoch')}K\x01s`), /holds no weights[\s\S]*keys epoch/);
  await refused(archive('K\x01'), /holds no weights/);
  await assert.rejects(openCheckpoint(join(folder, 'absent.pth')), /there is no such checkpoint/);
  await assert.rejects(openCheckpoint(folder), /it is a folder/);
});

test('a file that is cut short or altered is refused', async () => {
  for (const file of ['weights.pth', 'weights_legacy.pth', 'weights.safetensors']) {
    const whole = readFileSync(fixture('tiny_caption', file));
    for (const part of [0.999, 0.5, 0.1, 0.01]) {
      await refused(whole.subarray(0, Math.floor(whole.length * part)), /cut short|damaged/, file);
    }
  }
  const altered = readFileSync(fixture('tiny_caption', 'weights.pth'));
  altered[altered.length - 100_000] ^= 1;
  await refused(altered, /has checksum [0-9a-f]{8}, not/);
});

test('a safetensors header that does not fit its file is refused', async () => {
  const safe = (header: unknown, data = 8) => {
    const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, json, Buffer.alloc(data)]);
  };
  const name = 'file.safetensors';
  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  await refused(safe({ w: { ...entry, dtype: 'F8_E4M3' } }), /unknown type[\s\S]*F8_E4M3/, name);
  await refused(safe({ w: { ...entry, shape: [3] } }), /does not fill 8 bytes/, name);
  await refused(safe({ w: { ...entry, shape: [-2] } }), /without a shape/, name);
  await refused(safe({ w: { ...entry, data_offsets: [8, 0] } }), /does not fill/, name);
  await refused(safe({ w: entry }, 4), /cut short/, name);
  await refused(safe({ w: null }), /unknown type/, name);
  await refused(safe('{"w": '), /not JSON/, name);
  await refused(safe(`{"w":${'['.repeat(1e6)}`), /endless values/, name);
  await refused(safe(`{"w":[${'0,'.repeat(5e6)}0]}`), /endless values/, name);
  const endless = safe({});
  endless.writeBigUInt64LE(2n ** 60n);
  await refused(endless, /header of 1152921504606846976 bytes/, name);
});

test('a legacy storage whose count differs from what the structure says is refused', async () => {
  const whole = readFileSync(fixture('tiny_caption', 'weights_legacy.pth'));
  const checkpoint = await openCheckpoint(fixture('tiny_caption', 'weights_legacy.pth'));
  const storages = new Map<unknown, number>();
  for (const { identity, shape, dtype } of checkpoint.stateDict().values()) {
    const elements = shape.reduce((product, size) => product * size, 1);
    storages.set(identity, 8 + elements * (dtype === 'int64' ? 8 : 4));
  }
  await checkpoint.close();
  // The storages end the file, each behind the count of its elements.
  const first = whole.length - [...storages.values()].reduce((sum, bytes) => sum + bytes, 0);
  const altered = Buffer.from(whole);
  const count = altered.readBigInt64LE(first);
  altered.writeBigInt64LE(count + 1n, first);
  await refused(altered, new RegExp(`has ${count + 1n} elements, not ${count}`));
});
