import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyDropout } from '#src/engine/fused/dropout.js';

function mix(value: number): number {
  const first = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  const second = Math.imul(first ^ (first >>> 15), 0x846ca68b);
  return second ^ (second >>> 16);
}

/** One element after the other, as runs that are resumed have always drawn it. */
function oneByOne(from: Float32Array, rate: number, seed: number): Float32Array {
  const start = mix((seed | 0) ^ mix(Math.floor(seed / 2 ** 32)));
  const scale = Math.fround(1 / (1 - rate));
  return from.map((value, i) =>
    mix(start ^ Math.imul(i, 0x9e3779b1)) >>> 0 < rate * 2 ** 32 ? 0 : value * scale,
  );
}

// Less than a vector, pieces of the loop and a rest; seeds of more than 32 bits; a rate whose bound is no integer.
for (const size of [0, 1, 7, 8192, 20_003]) {
  for (const [rate, seed] of [
    [0.1, 7],
    [0.5, 12345678901],
    [0.999, 2 ** 52 - 1],
  ]) {
    test(`dropout of ${size} numbers at ${rate} with seed ${seed}`, () => {
      const from = Float32Array.from({ length: size }, (_, i) => Math.sin(i) * 3);
      const out = new Float32Array(size);
      applyDropout(out, rate, seed, from);
      assert.deepEqual(out, oneByOne(from, rate, seed));
      applyDropout(out, rate, seed);
      assert.deepEqual(out, oneByOne(new Float32Array(size).fill(1), rate, seed));
    });
  }
}
