import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rng } from '#src/common/random.js';
import { randomCrop } from '#src/processors/random_crop.js';
import { fixtureJson } from '../support.js';

const { random_resized_crop_statistics: reference } = fixtureJson<{
  random_resized_crop_statistics: {
    source_width: number;
    source_height: number;
    samples: number;
    mean_area_fraction: number;
    std_area_fraction: number;
    mean_aspect_w_over_h: number;
    mean_i: number;
    mean_j: number;
  };
}>('randaugment', 'cases.json');
const { source_width: WIDTH, source_height: HEIGHT } = reference;

const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
const deviation = (values: number[]) => {
  const center = mean(values);
  return Math.sqrt(mean(values.map((v) => (v - center) ** 2)));
};

test('crops are distributed as torchvision’s are', () => {
  const rng = Rng.of(7, 'crop');
  const boxes = Array.from({ length: 20000 }, () => randomCrop(WIDTH, HEIGHT, 0.5, 1, rng));
  const areas = boxes.map((box) => (box.width * box.height) / (WIDTH * HEIGHT));
  const samples: [name: string, values: number[], expected: number][] = [
    ['area', areas, reference.mean_area_fraction],
    ['aspect', boxes.map((box) => box.width / box.height), reference.mean_aspect_w_over_h],
    ['top', boxes.map((box) => box.y), reference.mean_i],
    ['left', boxes.map((box) => box.x), reference.mean_j],
  ];
  for (const [name, values, expected] of samples) {
    // Four standard errors of the difference between the two means.
    const tolerance = 4 * deviation(values) * Math.sqrt(1 / reference.samples + 1 / values.length);
    const actual = mean(values);
    assert.ok(Math.abs(actual - expected) < tolerance, `${name}: ${actual}, ${expected} ± ${tolerance}`);
  }
  const spread = deviation(areas);
  assert.ok(Math.abs(spread / reference.std_area_fraction - 1) < 0.05, `spread of areas ${spread}`);
});

test('crops stay inside, within the bounds of area and shape', () => {
  const rng = Rng.of(8);
  for (let i = 0; i < 3000; i++) {
    const [width, height] = [200 + rng.int(200), 200 + rng.int(200)];
    const box = randomCrop(width, height, 0.3, 0.6, rng);
    assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height);
    const share = (box.width * box.height) / (width * height);
    assert.ok(share > 0.29 && share < 0.61, `share ${share}`);
    const ratio = box.width / box.height;
    assert.ok(ratio > 0.74 && ratio < 1.35, `ratio ${ratio}`);
  }
});

test('an image too long for any box gives its central part', () => {
  assert.deepEqual(randomCrop(1000, 30, 0.9, 1, Rng.of(1)), { x: 480, y: 0, width: 40, height: 30 });
  assert.deepEqual(randomCrop(30, 1000, 0.9, 1, Rng.of(1)), { x: 0, y: 480, width: 30, height: 40 });
});

test('one pixel is enough', () => {
  assert.deepEqual(randomCrop(1, 1, 0.5, 1, Rng.of(1)), { x: 0, y: 0, width: 1, height: 1 });
});
