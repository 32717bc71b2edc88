import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeFileAtomic } from '#src/common/files.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

test('a file is replaced whole, its folder made, nothing left beside it', async () => {
  const path = join(folder, 'new', 'deep', 'result.json');
  await writeFileAtomic(path, 'old');
  await writeFileAtomic(path, Buffer.from('new'));
  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.deepEqual(readdirSync(join(path, '..')), ['result.json']);
});

test('what a killed process left aside is removed, what a living one writes is not', async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const here = join(folder, 'abandoned');
  const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, '_');
  mkdirSync(here);
  for (const name of [`.a.pth.${host}.${dead}.0badcafe.tmp`, `.a.pth.${host}.${process.ppid}.0badcafe.tmp`]) {
    writeFileSync(join(here, name), 'half');
  }
  await writeFileAtomic(join(here, 'a.pth'), 'whole');
  assert.deepEqual(readdirSync(here).sort(), [`.a.pth.${host}.${process.ppid}.0badcafe.tmp`, 'a.pth']);
});

test('a process killed at any moment leaves the old file or the new one', async () => {
  const path = join(folder, 'killed.bin');
  const size = 2_000_000;
  await writeFileAtomic(path, Buffer.alloc(size, 'a'));
  const code = `
    import { writeFileAtomic } from '#src/common/files.js';
    process.stdout.write('ready');
    for (let i = 0; ; i++) await writeFileAtomic(process.argv[1], Buffer.alloc(${size}, 'ab'[i % 2]));`;
  for (let i = 0; i < 8; i++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 5 + 7 * i));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    const bytes = readFileSync(path);
    assert.ok(bytes.equals(Buffer.alloc(size, bytes.subarray(0, 1))), 'whole');
  }
  await writeFileAtomic(path, 'last');
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('killed')),
    ['killed.bin'],
  );
});

/** Runs a script with a file system of one mebibyte at `mount`, where this machine lets us make one. */
function onSmallDisk(mount: string, code: string): { status: number | null; output: string } | undefined {
  mkdirSync(mount, { recursive: true });
  const script = `mount -t tmpfs -o size=1m none "$1" || exit 77; shift; exec "$@"`;
  const args = [
    '-rm',
    'sh',
    '-c',
    script,
    'sh',
    mount,
    process.execPath,
    '--input-type=module',
    '-e',
    code,
    mount,
  ];
  const { status, stdout, stderr, error } = spawnSync('unshare', args, { encoding: 'utf8' });
  if (error || status === 77 || /unshare/.test(stderr)) return undefined;
  return { status, output: stdout + stderr };
}

test('a full disk is told, the older file stays, nothing is left aside', (t) => {
  const code = `
    import { readdirSync, readFileSync } from 'node:fs';
    import { writeFileAtomic } from '#src/common/files.js';
    import { saveTorch } from '#src/checkpoint/index.js';
    const path = process.argv[1] + '/checkpoint_best.pth';
    await saveTorch(path, { epoch: 1 });
    const before = readFileSync(path);
    const big = { dtype: 'uint8', shape: [3e6], data: new Uint8Array(3e6) };
    for (const write of [() => saveTorch(path, { model: { big } }), () => writeFileAtomic(path, big.data)]) {
      try { await write(); console.log('written?'); } catch (error) { console.log(error.name + ': ' + error.message); }
      console.log(readFileSync(path).equals(before), readdirSync(process.argv[1]).join());
    }`;
  const result = onSmallDisk(join(folder, 'disk'), code);
  if (!result) return t.skip('no right to mount a small disk here');
  const [checkpoint, file] = result.output.split('true checkpoint_best.pth');
  assert.match(
    checkpoint,
    /^CheckpointError: cannot write the checkpoint[\s\S]*the disk is full[\s\S]*unchanged/,
  );
  assert.match(file, /DataError: cannot write .*checkpoint_best\.pth[\s\S]*the disk is full/);
  assert.equal(result.status, 0);
});
