import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuQuota } from '#src/common/cpu_quota.js';
import { visibleGpus } from '#src/common/world.js';
import { workerCount } from '#src/distributed/launch/launcher.js';
import { workerDevices } from '#src/distributed/launch/worker_process.js';
import { temporaryFolder } from '../support.js';
import { finished, workerFile } from './ranks.js';

const WORKERS = 2;
const folder = temporaryFolder();
const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(RANK|WORLD_SIZE|OMPI_|PMI_|SLURM_)/.test(name)),
);

function start(scenario: string, { restarts = 0, env = {} as Record<string, string> } = {}): ChildProcess {
  const args = [workerFile('launcher'), String(WORKERS), String(restarts), scenario, folder];
  return spawn(process.execPath, args, { env: { ...clean, TMPDIR: folder, ...env } });
}
const pids = () =>
  Array.from({ length: WORKERS }, (_, rank) => Number(readFileSync(join(folder, `${rank}.pid`), 'utf8')));

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie is only a name; in a container nobody may collect it.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
async function allGone(): Promise<boolean> {
  for (let i = 0; i < 100 && pids().some(alive); i++) await sleep(50);
  return !pids().some(alive);
}

test('workers get their rank, their part of the threads and their GPU; other ranks’ lines are marked', async () => {
  const { code, output } = await finished(
    start('well', { env: { CUDA_VISIBLE_DEVICES: '4,6', OMP_NUM_THREADS: '' } }),
  );
  assert.equal(code, 0, output);
  const environments = JSON.parse(/^\[\{.*$/m.exec(output)![0]);
  const threads = String(Math.max(1, Math.floor(Math.min(availableParallelism(), cpuQuota()) / WORKERS)));
  assert.deepEqual(
    environments,
    ['4', '6'].map((gpu, rank) => ({
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: '2',
      LAVIS_THREADS: threads,
      CUDA_VISIBLE_DEVICES: gpu,
    })),
  );
  assert.match(output, /^\[rank 1\] hello$/m);
});

test('a worker that raises ends all, with its exit code and its error named first', async () => {
  const { code, output, seconds } = await finished(start('raise'));
  assert.equal(code, 7, output);
  assert.match(output, /rank 1 of 2 failed first \(exit code 7\)[\s\S]*the dog ate the batch/);
  assert.ok(output.indexOf('the dog ate') < output.indexOf('left while others'), output);
  assert.ok(seconds < 30 && (await allGone()));
});

test('a worker that is killed ends all, and is named though others complain', async () => {
  const { code, output, seconds } = await finished(start('die'));
  assert.equal(code, 128 + 9, output);
  assert.match(output, /rank 1 of 2 failed first \(killed by SIGKILL\)/);
  assert.ok(seconds < 30 && (await allGone()));
});

test('a worker that hangs in its work is named when the time is over, and ended with the others', async () => {
  const { code, output, seconds } = await finished(start('hang', { env: { TEST_TIMEOUT: '3' } }));
  assert.equal(code, 7, output);
  assert.match(output, /rank 0 of 2 failed first/);
  assert.match(output, /rank 1 did not come to allReduce 'step 0' of 4000 bytes in 3 s/);
  assert.ok(seconds < 30 && (await allGone()));
});

test('a worker that ignores being asked is ended all the same', async () => {
  const { code, output, seconds } = await finished(start('stubborn'));
  assert.equal(code, 7, output);
  assert.ok(seconds < 30 && (await allGone()));
});

test('workers are started again, and told where to go on', async () => {
  const { code, output } = await finished(start('onceMore', { restarts: 1 }));
  assert.equal(code, 0, output);
  assert.match(output, /started again \(1 of 1 restarts\)/);
  assert.match(output, /attempt 1 resumed/);
});

test('a failure without restarts left is the exit code', async () => {
  const { code } = await finished(start('raise', { restarts: 1 }));
  assert.equal(code, 7);
});

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`no worker outlives its launcher, though it computes without end (${signal} twice)`, async () => {
    const launcher = start('compute');
    const end = finished(launcher);
    while (!existsSync(join(folder, '1.pid')) || !pids().every(alive)) await sleep(50);
    await sleep(300);
    launcher.kill(signal);
    await sleep(200);
    launcher.kill(signal);
    const { signal: by, code } = await end;
    assert.ok(by === 'SIGKILL' || code === 128 + 15, `${by} ${code}`);
    assert.ok(await allGone(), 'orphans');
  });
}

test('SIGTERM lets the workers save, and the exit code tells', async () => {
  const launcher = start('untilStopped');
  const end = finished(launcher);
  while (!pids().every(alive)) await sleep(50);
  await sleep(500);
  launcher.kill('SIGTERM');
  const { code, output } = await end;
  assert.equal(code, 128 + 15, output);
  assert.match(output, /rank 0 saved/);
  assert.match(output, /rank 1 saved/);
});

test('nothing of a launch is left behind', () => {
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('lavis-run-')),
    [],
  );
});

test('a launch inside a worker is refused', async () => {
  const { code, output } = await finished(start('well', { env: { RANK: '0', WORLD_SIZE: '2' } }));
  assert.notEqual(code, 0);
  assert.match(output, /no launcher started[\s\S]*torchrun/);
});

test('one worker a GPU is what auto means, one where there are none', () => {
  const gpus = { CUDA_VISIBLE_DEVICES: '0,1,2' };
  assert.equal(workerCount('auto', { env: gpus }), 3);
  assert.equal(workerCount('auto', { env: gpus, device: 'cpu' }), 1);
  assert.equal(workerCount('auto', { env: { CUDA_VISIBLE_DEVICES: '' } }), 1);
  assert.deepEqual(visibleGpus({ CUDA_VISIBLE_DEVICES: '-1' }), []);
  assert.throws(() => workerCount(0), /a whole number from 1, or auto/);
  assert.throws(() => workerCount(Number.NaN), /NaN/);
  assert.equal(workerDevices(4, 3, ['4', '6'], {}).CUDA_VISIBLE_DEVICES, '6');
  assert.equal(workerDevices(1, 0, ['4', '6'], {}).CUDA_VISIBLE_DEVICES, undefined, 'run.gpu may choose');
  assert.equal(workerDevices(4, 3, [], { OMP_NUM_THREADS: '5' }).OMP_NUM_THREADS, '5');
});

test('an environment that is refused starts no worker, and leaves no folder', async () => {
  const TMPDIR = mkdtempSync(join(tmpdir(), 'lavis-test-'));
  try {
    const { code, output } = await finished(start('well', { env: { TMPDIR, LAVIS_THREADS: 'many' } }));
    assert.notEqual(code, 0);
    assert.match(output, /LAVIS_THREADS is not a number of threads/);
    assert.deepEqual(readdirSync(TMPDIR), []);
  } finally {
    rmSync(TMPDIR, { recursive: true });
  }
});
