import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rng } from '#src/common/random.js';
import { Resampler } from '#src/processors/resample.js';
import type { Box, RgbImage } from '#src/processors/rgb_image.js';

const resampler = new Resampler();

function noise(width: number, height: number, seed: number): RgbImage {
  const rng = Rng.of(seed);
  // Black and white as often as grey: sums then leave the range of a byte.
  const value = () => [0, 255, rng.int(256)][rng.int(3)];
  return { data: Uint8Array.from({ length: width * height * 3 }, value), width, height };
}

function cut({ data, width }: RgbImage, box: Box): RgbImage {
  const rows = Array.from({ length: box.height }, (_, y) => {
    const from = ((box.y + y) * width + box.x) * 3;
    return [...data.subarray(from, from + box.width * 3)];
  });
  return { data: Uint8Array.from(rows.flat()), width: box.width, height: box.height };
}

const whole = ({ width, height }: RgbImage): Box => ({ x: 0, y: 0, width, height });

/** Bicubic by its definition, in floating point, rounding to bytes after each pass as Pillow does. */
function byDefinition(image: RgbImage, width: number, height: number): Uint8Array {
  const along = (length: number, size: number, i: number, at: (k: number) => number) => {
    const scale = length / size;
    const stretch = Math.max(1, scale);
    const center = (i + 0.5) * scale;
    let [sum, total] = [0, 0];
    for (let k = 0; k < length; k++) {
      const d = Math.abs(k + 0.5 - center) / stretch;
      const w =
        d < 1 ? 1.5 * d ** 3 - 2.5 * d ** 2 + 1 : d < 2 ? -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2 : 0;
      sum += w * at(k);
      total += w;
    }
    return Math.min(255, Math.max(0, Math.round(sum / total)));
  };
  const narrow = Uint8Array.from({ length: width * image.height * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return along(image.width, width, x, (k) => image.data[(y * image.width + k) * 3 + c]);
  });
  const stride = width * 3;
  return Uint8Array.from({ length: height * stride }, (_, i) =>
    along(image.height, height, Math.floor(i / stride), (k) => narrow[k * stride + (i % stride)]),
  );
}

const side = fc.integer({ min: 1, max: 40 });

test('every size agrees with the definition, to rounding', () => {
  fc.assert(
    fc.property(side, side, side, side, fc.nat(1000), (w, h, width, height, seed) => {
      const image = noise(w, h, seed);
      const actual = resampler.resize(image, whole(image), width, height).data;
      const expected = byDefinition(image, width, height);
      // A tie may round the other way in fixed point, once in each pass; the curve's overshoot may double that.
      for (const [i, value] of expected.entries()) assert.ok(Math.abs(actual[i] - value) <= 2, `at ${i}`);
    }),
    { numRuns: 60 },
  );
});

test('a box gives what cutting it out first gives, and mirroring flips the result', () => {
  fc.assert(
    fc.property(side, side, side, side, fc.nat(1000), (w, h, width, height, seed) => {
      const image = noise(w, h, seed);
      const rng = Rng.of(seed, 'box');
      const [x, y] = [rng.int(w), rng.int(h)];
      const box = { x, y, width: 1 + rng.int(w - x), height: 1 + rng.int(h - y) };
      const boxed = cut(image, box);
      const plain = resampler.resize(image, box, width, height);
      assert.deepEqual(plain, resampler.resize(boxed, whole(boxed), width, height));
      const mirrored = resampler.resize(image, box, width, height, true).data;
      const flipped = plain.data.map((_, i) => {
        const pixel = Math.floor(i / 3);
        return plain.data[(pixel + width - 1 - 2 * (pixel % width)) * 3 + (i % 3)];
      });
      assert.deepEqual(mirrored, flipped);
    }),
    { numRuns: 100 },
  );
});

test('the same size gives the same pixels', () => {
  const image = noise(33, 21, 3);
  assert.deepEqual(resampler.resize(image, whole(image), 33, 21), image);
});

test('results do not share memory with later calls', () => {
  const [a, b] = [noise(20, 20, 1), noise(500, 400, 2)];
  const first = resampler.resize(a, whole(a), 30, 30);
  const copy = first.data.slice();
  resampler.resize(b, whole(b), 300, 300);
  assert.deepEqual(first.data, copy);
});

test('pixels of four channels are refused', () => {
  const image = { data: new Uint8Array(4 * 4 * 4), width: 4, height: 4 };
  assert.throws(() => resampler.resize(image, whole(image), 2, 2), RangeError);
});
