import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import type { Entry } from 'yauzl';
import { openCheckpoint, saveTorch } from '#src/checkpoint/index.js';
import { ZipWriter } from '#src/checkpoint/zip_writer.js';
import { openZip } from '#src/fetch/zip_file.js';
import { temporaryFolder } from '../support.js';
import { readAll } from './support.js';

const folder = temporaryFolder();
const GIB = 2 ** 30;

const u64 = (...values: number[]) => {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => {
    bytes.writeBigUInt64LE(BigInt(value), 8 * i);
  });
  return bytes;
};
const u16 = (value: number) => Buffer.of(value & 255, value >> 8);
const FULL = Buffer.alloc(4, 0xff);

/** A member whose bytes are a hole in the file but for its last ones. */
interface Member {
  name: string;
  size: number;
  end: Buffer;
}

/** A zip64 archive with holes: many gibibytes that take no room on disk. */
async function writeSparseZip(path: string, members: Member[]): Promise<void> {
  const file = await open(path, 'w');
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, size, end } of members) {
    const extra = (...values: number[]) => Buffer.concat([u16(1), u16(8 * values.length), u64(...values)]);
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(size === end.length ? crc32(end) : 0);
    const shared = Buffer.concat([u16(45), Buffer.alloc(8), sum, FULL, FULL, u16(name.length)]);
    const local = Buffer.concat([
      Buffer.from('PK\x03\x04'),
      shared,
      u16(20),
      Buffer.from(name),
      extra(size, size),
    ]);
    await file.write(local, 0, local.length, at);
    const central = [Buffer.from('PK\x01\x02'), u16(45), shared, u16(28), Buffer.alloc(10), FULL];
    directory.push(Buffer.concat([...central, Buffer.from(name), extra(size, size, at)]));
    at += local.length + size;
    await file.write(end, 0, end.length, at - end.length);
  }
  const central = Buffer.concat(directory);
  await file.write(central, 0, central.length, at);
  await writeEnd(file, at, central.length, members.length);
  await file.close();
}

async function writeEnd(file: FileHandle, start: number, size: number, count: number): Promise<void> {
  const end = Buffer.concat([
    ...[
      Buffer.from('PK\x06\x06'),
      u64(44),
      u16(45),
      u16(45),
      Buffer.alloc(8),
      u64(count, count, size, start),
    ],
    ...[Buffer.from('PK\x06\x07'), Buffer.alloc(4), u64(start + size), Buffer.of(1, 0, 0, 0)],
    ...[Buffer.from('PK\x05\x06'), Buffer.alloc(4), u16(count), u16(count), FULL, FULL, u16(0)],
  ]);
  await file.write(end, 0, end.length, start + size);
}

test('a tensor past four gibibytes of a storage, of an archive past five, is read by itself', async () => {
  const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
  // 1.25 × 2^30 float32; a row of three at the very end of it.
  const count = 1.25 * GIB;
  const long = (value: number) => `\x8a\x05${u64(value).toString('latin1', 0, 5)}`;
  const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}${long(count)}tQ`;
  const tensor = (offset: number, sizes: string, strides: string) =>
    `ctorch._utils\n_rebuild_tensor_v2\n(${storage}${long(offset)}${sizes}${strides}\x89}tR`;
  const last = tensor(count - 3, 'K\x03\x85', 'K\x01\x85');
  const whole = tensor(0, `${long(count)}\x85`, 'K\x01\x85');
  const pickle = Buffer.from(`\x80\x02}(${text('last')}${last}${text('whole')}${whole}u.`, 'latin1');
  const end = Buffer.from(Float32Array.of(1.5, -2, 3).buffer);
  const path = join(folder, 'large.pth');
  await writeSparseZip(path, [
    { name: 'large/data/0', size: 4 * count, end },
    { name: 'large/data.pkl', size: pickle.length, end: pickle },
  ]);
  const before = process.memoryUsage.rss();
  const checkpoint = await openCheckpoint(path);
  const state = checkpoint.stateDict();
  assert.deepEqual((await state.get('last')!.read()).data, Float32Array.of(1.5, -2, 3));
  assert.ok(process.memoryUsage.rss() - before < 100e6, 'nothing else is read');
  // Later versions of Node have buffers of any size that memory has.
  if (constants.MAX_LENGTH < 4 * count)
    await assert.rejects(state.get('whole')!.read(), /does not fit into memory[\s\S]*5368709120 bytes/);
  await checkpoint.close();
});

test('hundreds of tensors are written and read one at a time', async () => {
  const path = join(folder, 'many.pth');
  let alive = 0;
  let most = 0;
  const lazy = (value: number) => ({
    dtype: 'float32' as const,
    shape: [1000],
    read: async () => {
      most = Math.max(most, ++alive);
      await new Promise((resolve) => setImmediate(resolve));
      alive--;
      return { dtype: 'float32' as const, shape: [1000], data: new Float32Array(1000).fill(value) };
    },
  });
  const names = Array.from({ length: 300 }, (_, i) => `layer.${i}.weight`);
  await saveTorch(path, { model: Object.fromEntries(names.map((name, i) => [name, lazy(i)])) });
  assert.equal(most, 1);
  const read = await readAll(path);
  names.forEach((name, i) => {
    assert.equal(read.get(name)!.data[999], i);
  });
});

test('an archive past four gibibytes is written with zip64 places, and read again', async () => {
  const path = join(folder, 'written.zip');
  const file = await open(path, 'w+');
  let at = 0;
  const zip = new ZipWriter(async (bytes) => {
    // The zeros of the large members are a hole in the file.
    if (bytes.byteLength < GIB / 2) await file.write(bytes, 0, bytes.byteLength, at);
    at += bytes.byteLength;
  });
  const zeros = new Uint8Array(GIB / 2);
  for (let i = 0; i < 9; i++) await zip.add(`large/${i}`, zeros);
  await zip.add('last', Buffer.from('the end'));
  await zip.finish();
  const opened = await openZip(file.fd, at);
  const entries: Entry[] = [];
  for await (const entry of opened.eachEntry()) entries.push(entry);
  assert.deepEqual(
    entries.map(({ fileName, uncompressedSize }) => [fileName, uncompressedSize]),
    [...Array.from({ length: 9 }, (_, i) => [`large/${i}`, GIB / 2]), ['last', 7]],
  );
  assert.ok(entries[9].relativeOffsetOfLocalHeader > 2 ** 32);
  const { fileDataStart } = await opened.readLocalFileHeaderPromise(entries[9], { minimal: true });
  const text = Buffer.alloc(7);
  await file.read(text, 0, 7, fileDataStart);
  assert.equal(text.toString(), 'the end');
  await file.close();
});
