import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFileLock } from '#src/fetch/file_lock.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const QUICK = { pollMs: 5 };

test('one at a time works, the others wait and are told for whom', async () => {
  const lock = join(folder, 'one.lock');
  let inside = 0;
  let most = 0;
  const told: string[] = [];
  const work = async () => {
    most = Math.max(most, ++inside);
    await sleep(20);
    inside--;
  };
  await Promise.all(
    [1, 2, 3].map(() => withFileLock(lock, work, { ...QUICK, onWait: (who) => told.push(who) })),
  );
  assert.equal(most, 1);
  assert.ok(
    told.length === 2 && told.every((who) => who === `process ${process.pid} on ${hostname()}`),
    told.join(),
  );
  assert.ok(!existsSync(lock));
});

test('the lock goes when the work fails', async () => {
  const lock = join(folder, 'fails.lock');
  await assert.rejects(
    withFileLock(lock, async () => {
      throw new Error('the work failed');
    }),
    /the work failed/,
  );
  assert.ok(!existsSync(lock));
});

test('the lock of a dead process is broken at once, by one of many', async () => {
  const lock = join(folder, 'dead.lock');
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(lock, JSON.stringify({ token: 'x', pid: dead, host: hostname() }));
  let inside = 0;
  await Promise.all(
    Array.from({ length: 8 }, () =>
      withFileLock(
        lock,
        async () => {
          assert.equal(++inside, 1);
          await sleep(5);
          inside--;
        },
        QUICK,
      ),
    ),
  );
});

test("another machine's lock is broken when it was not touched for long, and waited for before", async () => {
  const lock = join(folder, 'far.lock');
  writeFileSync(lock, JSON.stringify({ token: 'x', pid: 1, host: 'another-machine' }));
  let done = false;
  const working = withFileLock(lock, async () => (done = true), { ...QUICK, staleMs: 60_000 });
  await sleep(60);
  assert.equal(done, false);
  const longAgo = new Date(Date.now() - 120_000);
  utimesSync(lock, longAgo, longAgo);
  await working;
  assert.equal(done, true);
});

test('a lock that is held is kept fresh', async () => {
  const lock = join(folder, 'fresh.lock');
  let second = false;
  await withFileLock(
    lock,
    async () => {
      const other = withFileLock(lock, async () => (second = true), { ...QUICK, staleMs: 120 });
      await sleep(400);
      assert.equal(second, false);
      return { other };
    },
    { ...QUICK, staleMs: 120 },
  ).then(({ other }) => other);
  assert.equal(second, true);
});

test('the age of a lock is told by the file system, whatever this machine takes the time for', async (t) => {
  for (const offset of [-3_600_000, 3_600_000]) {
    const lock = join(folder, `clock${offset}.lock`);
    writeFileSync(lock, JSON.stringify({ token: 'x', pid: 1, host: 'another-machine' }));
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + offset });
    let done = false;
    const working = withFileLock(lock, async () => (done = true), { ...QUICK, staleMs: 60_000 });
    await sleep(60);
    assert.equal(done, false, 'a fresh lock is waited for');
    const longAgo = (statSync(lock).mtimeMs - 120_000) / 1000;
    utimesSync(lock, longAgo, longAgo);
    await working;
    t.mock.timers.reset();
    assert.ok(!existsSync(lock));
  }
});
