import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BufferPool } from '#src/engine/onnx/pool.js';

const MIB = 2 ** 20;

test('a buffer that was given back is used again for the same size only', () => {
  const pool = new BufferPool();
  const [other, buffer] = [pool.take(10_000), pool.take(5000)];
  pool.give(other);
  pool.give(buffer);
  assert.notEqual(pool.take(5004), buffer);
  assert.equal(pool.take(5000), buffer);
});

test('a buffer of zeros is zero, whatever an earlier user of its memory wrote', () => {
  const pool = new BufferPool();
  for (const bytes of [4000, 9 * MIB]) {
    const buffer = pool.take(bytes);
    new Uint8Array(buffer).fill(7);
    pool.give(buffer);
    for (const zeros of [pool.takeZeros(bytes), pool.takeZeros(bytes)]) {
      assert.ok(new Uint8Array(zeros).every((value) => value === 0));
    }
  }
});

test('what is idle never takes the process far above the most that was in use', () => {
  const pool = new BufferPool();
  for (let bytes = 2000; bytes < 200_000; bytes += 1000) {
    const buffers = [pool.take(bytes), pool.take(bytes)];
    for (const buffer of buffers) pool.give(buffer);
    const { inUse, idle, peak } = pool.statistics;
    assert.equal(inUse, 0);
    assert.ok(idle <= 1.25 * peak, `${idle} of ${peak}`);
  }
  pool.clear();
  assert.equal(pool.statistics.idle, 0);
});

test('large buffers have their size, hold values and lie apart', () => {
  const pool = new BufferPool();
  const sizes = [4 * MIB, 4 * MIB + 4, 9 * MIB + 8];
  const arrays = sizes.map((bytes) => new Float32Array(pool.take(bytes)));
  arrays.forEach((array, i) => {
    assert.equal(array.byteLength, sizes[i]);
    array.fill(i + 1);
  });
  arrays.forEach((array, i) => {
    assert.ok(array[0] === i + 1 && array.at(-1) === i + 1);
  });
});

test('memory that nothing refers to goes back to the system', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const pool = new BufferPool();
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 40; i++) {
    new Uint8Array(pool.take(64 * MIB)).fill(1);
    collect();
    await setTimeout(5);
  }
  assert.ok(process.memoryUsage.rss() - before < 1024 * MIB);
});
