import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { DataError } from '#src/common/errors.js';
import { type UnpackOptions, unpackArchive } from '#src/fetch/archive.js';
import { temporaryFolder } from '../support.js';
import { zipOf } from '../zip.js';

const folder = temporaryFolder();
let count = 0;

async function tarOf(members: (Partial<Header> & { name: string; data?: string })[]): Promise<Buffer> {
  const tar = pack();
  for (const { data = '', ...header } of members) tar.entry(header, data);
  tar.finalize();
  return buffer(Readable.from(tar));
}

async function unpack(content: Uint8Array, options?: UnpackOptions) {
  const archive = join(folder, `case-${count++}`);
  writeFileSync(archive, content);
  const to = `${archive}-out`;
  return { to, ...(await unpackArchive(archive, to, options)) };
}

async function refused(content: Uint8Array, expected: RegExp, options?: UnpackOptions): Promise<void> {
  await assert.rejects(unpack(content, options), (thrown) => {
    assert.ok(thrown instanceof DataError, String((thrown as Error).stack));
    assert.match(thrown.message, expected);
    return true;
  });
  assert.ok(!existsSync(join(folder, `case-${count - 1}-out`)), 'the folder never appears');
}

const photos = [
  { name: 'train/', data: '' },
  { name: 'train/a.jpg', data: 'aaaa' },
  { name: 'train/deep/b.jpg', data: 'bb' },
];

test('zip, tar and tar.gz archives are unpacked', async () => {
  const tar = await tarOf(
    photos.map((one) => (one.name.endsWith('/') ? { ...one, type: 'directory' } : one)),
  );
  for (const content of [zipOf(photos), tar, gzipSync(tar)]) {
    const { to, files, bytes } = await unpack(content);
    assert.deepEqual({ files, bytes }, { files: 2, bytes: 6 });
    assert.equal(readFileSync(join(to, 'train/deep/b.jpg'), 'utf8'), 'bb');
    assert.deepEqual(readdirSync(join(to, 'train')).sort(), ['a.jpg', 'deep']);
  }
});

test('members are picked and renamed', async () => {
  const pick = (name: string) =>
    name.startsWith('train/deep/') ? name.slice('train/deep/'.length) : undefined;
  const { to } = await unpack(zipOf(photos), { pick });
  assert.deepEqual(readdirSync(to), ['b.jpg']);
});

test('an interrupted unpacking goes on where it stopped', async () => {
  const archive = join(folder, 'interrupted.zip');
  const to = join(folder, 'interrupted');
  const members = ['a', 'b', 'c'].map((name) => ({ name, data: name.repeat(1000) }));
  mkdirSync(`${to}.unpacking`);
  writeFileSync(join(`${to}.unpacking`, 'a'), 'A'.repeat(1000));
  writeFileSync(join(`${to}.unpacking`, 'b'), 'cut');
  writeFileSync(archive, zipOf(members));
  await unpackArchive(archive, to);
  assert.equal(readFileSync(join(to, 'a'), 'utf8'), 'A'.repeat(1000), 'not unpacked again');
  assert.equal(readFileSync(join(to, 'b'), 'utf8'), 'b'.repeat(1000));
  assert.ok(!existsSync(`${to}.unpacking`));
});

test('a member that would lie outside the folder is refused', async () => {
  for (const name of ['../evil', 'a/../../evil', '/etc/evil', 'C:/evil', 'a\\..\\..\\evil', '..']) {
    await refused(
      zipOf([{ name, data: 'x' }]),
      /outside its folder|invalid (relative path|characters)|absolute path/,
    );
    await refused(await tarOf([{ name, data: 'x' }]), /outside its folder/);
  }
  await refused(zipOf([{ name: 'a', data: 'x' }]), /outside its folder/, { pick: () => '../evil' });
  assert.ok(!existsSync(join(folder, 'evil')));
});

test('links and devices are refused', async () => {
  await refused(zipOf([{ name: 'a', data: '/etc/passwd', mode: 0o120777 }]), /'a' is a link or a device/);
  for (const type of ['symlink', 'link', 'character-device', 'fifo'] as const) {
    await refused(
      await tarOf([{ name: 'a', type, linkname: '/etc/passwd' }]),
      new RegExp(`'a' is a ${type}`),
    );
  }
});

test('archives that unpack to far more than they are, are refused before they do', async () => {
  const zeros = new Uint8Array(2 ** 23);
  await refused(zipOf([{ name: 'a', data: zeros }]), /far beyond its own size/);
  await refused(gzipSync(await tarOf([{ name: 'a', data: '0'.repeat(2 ** 23) }])), /far beyond its own size/);
  await refused(
    zipOf([{ name: 'a', data: zeros, size: 10 }]),
    /more bytes|larger than it says|too many bytes|damaged/,
  );
  await refused(zipOf(photos), /holds more than 1 files|holds 3 files/, { maxFiles: 1 });
  await refused(zipOf(photos), /more than 5 bytes/, { maxBytes: 5 });
});

test('damaged archives and other files are refused', async () => {
  const whole = zipOf(photos);
  await refused(whole.subarray(0, whole.length - 30), /cannot be unpacked/);
  const altered = Buffer.from(whole);
  altered.writeUInt32LE(0, altered.lastIndexOf('PK\x01\x02', undefined, 'latin1') + 16);
  await refused(altered, /damaged/);
  const tar = await tarOf([{ name: 'a', data: 'x'.repeat(5000) }]);
  await refused(tar.subarray(0, 2000), /cannot be unpacked|damaged/);
  await refused(gzipSync(tar).subarray(0, 60), /cannot be unpacked|damaged/);
  await refused(Buffer.from('<html>'), /is not an archive/);
});
