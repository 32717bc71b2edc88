import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '#src/common/errors.js';
import { Rng } from '#src/common/random.js';
import {
  type CaptionEvalDataset,
  captionsOf,
  type Dataset,
  orderedCaptionsOf,
  ShapesCaptionBuilder,
  scenesOf,
  shapesVocabulary,
} from '#src/datasets/index.js';
import { decodeImage } from '#src/processors/index.js';
import { temporaryFolder } from '../support.js';
import { imageOf } from './support.js';

const sectionOf = (storage: string, scenes: object = {}) => ({
  vis_processor: { eval: { name: 'blip_image_eval', image_size: 32 } },
  build_info: { storage, scenes: { seed: 1, train: 8, val: 4, test: 3, image_size: 48, ...scenes } },
});

async function build(storage: string, scenes?: object) {
  const datasets = await ShapesCaptionBuilder.fromConfig(sectionOf(storage, scenes)).buildDatasets();
  return datasets as { train: Dataset; val: CaptionEvalDataset; test: CaptionEvalDataset };
}

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

test('the same seed draws the same files', async () => {
  const [one, two] = [temporaryFolder(), temporaryFolder()];
  await Promise.all([build(one), build(one), build(two)]);
  const [first, second] = [filesOf(one), filesOf(two)];
  assert.equal(first.length, 8 + 4 + 3 + 5);
  first.forEach((file, i) => {
    assert.equal(file.slice(one.length), second[i].slice(two.length));
    assert.ok(readFileSync(file).equals(readFileSync(second[i])), file);
  });
  await build(one, { seed: 2 });
  assert.equal(readdirSync(one).length, 2);
});

test('the splits have two captions a training scene, seven a test scene, and their ground truth', async () => {
  const folder = temporaryFolder();
  const { train, val, test: testSplit } = await build(folder);
  assert.equal(train.length, 16);
  assert.equal(testSplit.length, 3);
  const truth = val.groundTruth();
  assert.equal(truth?.annotations.length, 28);
  const [file] = filesOf(folder).filter((name) => name.endsWith('shapes_val_gt.json'));
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), truth);
  const sample = await val.get(1, Rng.of(0));
  assert.equal(sample.image_id, 2_000_001);
  assert.deepEqual(imageOf(sample).shape, [32, 32, 3]);
});

test('no pair of shapes in val or test occurs in train', () => {
  const options = { seed: 42, train: 4000, val: 200, test: 200, imageSize: 96 };
  const pairs = (split: 'train' | 'val' | 'test') =>
    scenesOf(split, options).map(({ things }) =>
      things
        .map((t) => `${t.colour} ${t.shape}`)
        .sort()
        .join(' '),
    );
  const [train, val, held] = (['train', 'val', 'test'] as const).map((split) => new Set(pairs(split)));
  assert.ok(train.size > 400 && val.size > 30 && held.size > 30);
  for (const pair of [...val, ...held]) assert.ok(!train.has(pair), pair);
  for (const pair of held) assert.ok(!val.has(pair), pair);
});

test('a caption tells what is drawn: the first colour lies where the relation says', async () => {
  const folder = temporaryFolder();
  const options = { seed: 1, train: 0, val: 0, test: 12, image_size: 96 };
  await build(folder, options);
  const images = filesOf(folder).filter((name) => name.endsWith('.jpg'));
  for (const [i, scene] of scenesOf('test', { ...options, imageSize: 96 }).entries()) {
    const { data, width } = await decodeImage(images[i]);
    const pixel = ({ x, y }: { x: number; y: number }) => {
      const at = (Math.round(y * 96) * width + Math.round(x * 96)) * 3;
      return [...data.subarray(at, at + 3)];
    };
    const [first, second] = scene.things;
    for (const thing of scene.things) assert.equal(nearestColour(pixel(thing)), thing.colour);
    const order = { above: second.y - first.y, below: first.y - second.y };
    const sideways = { 'left of': second.x - first.x, 'right of': first.x - second.x };
    assert.ok({ ...order, ...sideways }[scene.relation] > 0.2);
    assert.match(captionsOf(scene)[0], new RegExp(`^a ${first.size} ${first.colour} ${first.shape} `));
  }
});

test('training captions mention the upper or the left thing first, and are among the seven', () => {
  for (const scene of scenesOf('train', { seed: 5, train: 40, val: 0, test: 0, imageSize: 48 })) {
    const [a, b] = [...scene.things].sort((s, t) =>
      /left|right/.test(scene.relation) ? s.x - t.x : s.y - t.y,
    );
    const { related, placed } = orderedCaptionsOf(scene);
    for (const caption of [...related, placed]) {
      assert.ok(captionsOf(scene).includes(caption), caption);
      assert.match(caption, new RegExp(`^a ${a.size} ${a.colour} ${a.shape} .* ${b.colour} ${b.shape}`));
    }
    for (const caption of related) {
      assert.match(caption, / above | to the left of /);
    }
  }
});

test('a placed caption says in which third of the image each thing lies', () => {
  const words = { top: 0, middle: 1, bottom: 2, left: 0, center: 1, right: 2 } as Record<string, number>;
  const third = (at: number) => (at < 0.4 ? 0 : at > 0.6 ? 2 : 1);
  const seen = new Set<string>();
  for (const scene of scenesOf('test', { seed: 5, train: 0, val: 0, test: 60, imageSize: 48 })) {
    const placed = captionsOf(scene).at(-2)!;
    const places = [...placed.matchAll(/(\w+) (\w+) at the (\w+) (\w+)/g)];
    assert.equal(places.length, 2);
    places.forEach(([, colour, shape, vertical, horizontal], i) => {
      const thing = scene.things[i];
      assert.deepEqual([colour, shape], [thing.colour, thing.shape]);
      assert.deepEqual([words[vertical], words[horizontal]], [third(thing.y), third(thing.x)], placed);
      seen.add(`${vertical} ${horizontal}`);
    });
  }
  assert.equal(seen.size, 9);
});

const PURE = {
  red: [255, 0, 0],
  green: [0, 160, 0],
  blue: [0, 0, 255],
  yellow: [255, 255, 0],
  purple: [150, 0, 200],
  orange: [255, 140, 0],
};

function nearestColour(pixel: number[]): string {
  const distance = (colour: number[]) => colour.reduce((sum, c, i) => sum + (c - pixel[i]) ** 2, 0);
  return Object.entries(PURE).sort((a, b) => distance(a[1]) - distance(b[1]))[0][0];
}

test('the vocabulary file has the special tokens, the letters and every word of the captions', () => {
  const vocabulary = readFileSync('configs/models/shapes_vocab.txt', 'utf8').trim().split('\n');
  assert.deepEqual(vocabulary, shapesVocabulary());
  assert.equal(new Set(vocabulary).size, vocabulary.length);
  const known = new Set(vocabulary);
  const scenes = scenesOf('train', { seed: 3, train: 300, val: 0, test: 0, imageSize: 96 });
  for (const word of scenes.flatMap(captionsOf).flatMap((caption) => caption.split(' '))) {
    assert.ok(known.has(word), word);
  }
});

test('numbers that cannot be are told', async () => {
  await assert.rejects(
    build(temporaryFolder(), { train: -1 }),
    (error) =>
      error instanceof ConfigError &&
      /scenes\.train has a value that is not allowed\s+found: +-1\s+allowed: +a whole number/.test(
        error.message,
      ),
  );
});
