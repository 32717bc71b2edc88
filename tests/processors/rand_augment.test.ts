import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rng } from '#src/common/random.js';
import { CLIP_MEAN, CLIP_STD, Normalizer } from '#src/processors/pixel_loops.js';
import { AUGMENTATIONS, RandAugment } from '#src/processors/rand_augment.js';
import { Resampler } from '#src/processors/resample.js';
import { type RgbImage, Scratch } from '#src/processors/rgb_image.js';
import { fixtureJson } from '../support.js';
import { asImage, channelsLast, difference, readTensors } from './support.js';

type Args = [number?, number[]?];
interface Cases {
  op_list: string[];
  cases: { key: string; input: string; op: string; args: Args; identical_to_input: boolean }[];
  crops: { key: string; i: number; j: number; h: number; w: number; size: number }[];
  train_processor: {
    image_size: number;
    source: string;
    traces: {
      key: string;
      crop: { i: number; j: number; h: number; w: number };
      flip: boolean;
      applied_ops: { op: string; args: Args }[];
    }[];
  };
}
const { op_list, cases, crops, train_processor } = fixtureJson<Cases>('randaugment', 'cases.json');
const images = readTensors('randaugment', 'images.safetensors');
const resampler = new Resampler();
const traces = readTensors('randaugment', 'train_traces.safetensors');
const image = (key: string) => asImage(images.get(key)!);

test('the operations are the reference’s', () => {
  assert.deepEqual(Object.keys(AUGMENTATIONS), op_list);
});

for (const { key, input, op, args } of cases) {
  // The reference's own AutoContrast overflows; Pillow's result is beside it.
  if (op === 'AutoContrast') continue;
  test(`${key} gives the reference's bytes`, () => {
    const actual = AUGMENTATIONS[op].apply(image(input), args[0] ?? 0);
    assert.deepEqual(difference(actual.data, image(key).data), { max: 0, mean: 0 });
  });
}

for (const input of ['image_a', 'image_b']) {
  test(`AutoContrast of ${input} gives Pillow's bytes`, () => {
    const actual = AUGMENTATIONS.AutoContrast.apply(image(input), 0);
    assert.deepEqual(actual.data, image(`${input}.AutoContrast.pil_reference`).data);
  });
}

test('AutoContrast leaves a constant channel', () => {
  const [input, actual] = [image('image_c'), AUGMENTATIONS.AutoContrast.apply(image('image_c'), 0)];
  for (const channel of [0, 1, 2]) {
    const values = input.data.filter((_, i) => i % 3 === channel);
    const constant = values.every((v) => v === values[0]);
    const result = actual.data.filter((_, i) => i % 3 === channel);
    if (constant) assert.deepEqual(result, values);
    else assert.deepEqual([Math.min(...result), Math.max(...result)], [0, 255]);
  }
});

for (const { key, i, j, h, w, size } of crops) {
  test(`${key} is cut and resized to the reference's bytes`, () => {
    const box = { x: j, y: i, width: w, height: h };
    assert.deepEqual(resampler.resize(image('crop_source'), box, size, size).data, image(key).data);
  });
}

for (const { key, crop, flip, applied_ops } of train_processor.traces) {
  test(`the training run ${key}, replayed, gives the reference's pixels`, () => {
    const { source, image_size: size } = train_processor;
    const box = { x: crop.j, y: crop.i, width: crop.w, height: crop.h };
    let actual = resampler.resize(image(source), box, size, size, flip);
    for (const { op, args } of applied_ops) actual = AUGMENTATIONS[op].apply(actual, args[0] ?? 0);
    const { data } = new Normalizer({ mean: CLIP_MEAN, std: CLIP_STD }).apply(actual);
    const { max } = difference(data, channelsLast(traces.get(key)!));
    assert.ok(max <= 1e-6, `largest difference ${max}`);
  });
}

test('levels give the reference’s arguments, in either direction', () => {
  type Levels = Record<string, Record<string, { random: number | null; args: Args }[]>>;
  const { levels } = fixtureJson<{ levels: Levels }>('randaugment', 'level_to_args.json');
  assert.deepEqual(Object.keys(levels).sort(), [...op_list].sort());
  for (const [op, byLevel] of Object.entries(levels)) {
    for (const [level, drawn] of Object.entries(byLevel)) {
      const expected = new Set(drawn.map(({ args }) => args[0] ?? 'none'));
      const actual = new Set<number | string>();
      for (let seed = 0; seed < 40; seed++) {
        actual.add((AUGMENTATIONS[op].argument(Number(level), Rng.of(seed)) ?? 'none') as number);
      }
      assert.deepEqual(
        [...actual].map((v) => (v === 0 ? 0 : v)).sort(),
        [...expected].map((v) => (v === 0 ? 0 : v)).sort(),
        `${op} at level ${level}`,
      );
    }
  }
});

test('RandAugment depends on its generator alone', () => {
  const augment = new RandAugment({ operations: 2, level: 5 });
  const input = image('image_b');
  const before = input.data.slice();
  const results = [...Array(30).keys()].map((seed) => augment.apply(input, Rng.of(seed)).data);
  const again = [...Array(30).keys()].map((seed) => augment.apply(input, Rng.of(seed)).data);
  assert.deepEqual(results, again);
  const scratch = new Scratch();
  const reused = [...Array(30).keys()].map((seed) =>
    augment.apply(input, Rng.of(seed), scratch).data.slice(),
  );
  assert.deepEqual(reused, results, 'nor does it depend on what the memory held');
  assert.deepEqual(input.data, before, 'the input is left as it was');
  assert.ok(new Set(results.map((data) => data.join())).size > 5, 'results vary');
});

test('each operation is drawn equally often and applied half of the time, in either direction', () => {
  const drawn = new Map<string, number>();
  const signs = { plus: 0, minus: 0 };
  const spied = Object.entries(AUGMENTATIONS).map(([name, { argument, apply }]) => {
    const counting = (value: RgbImage, argument: number) => {
      drawn.set(name, (drawn.get(name) ?? 0) + 1);
      if (name === 'Rotate') signs[argument > 0 ? 'plus' : 'minus']++;
      return value;
    };
    return { name, original: { argument, apply }, counting };
  });
  try {
    for (const { name, counting } of spied) Object.assign(AUGMENTATIONS[name], { apply: counting });
    const augment = new RandAugment({ operations: 2, level: 5 });
    const input = { data: new Uint8Array(3), width: 1, height: 1 };
    for (let seed = 0; seed < 4000; seed++) augment.apply(input, Rng.of(seed, 'draws'));
  } finally {
    for (const { name, original } of spied) Object.assign(AUGMENTATIONS[name], original);
  }
  // 8000 draws of ten operations, half of them applied: 400 each, give or take four standard deviations.
  assert.equal(drawn.size, 10);
  for (const [name, count] of drawn) assert.ok(Math.abs(count - 400) < 80, `${name}: ${count}`);
  assert.ok(Math.abs(signs.plus - signs.minus) < 80, `${signs.plus} and ${signs.minus}`);
});
