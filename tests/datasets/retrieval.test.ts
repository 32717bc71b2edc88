import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { Rng } from '#src/common/random.js';
import {
  CocoRetrievalBuilder,
  checkSamples,
  DataLoader,
  type Dataset,
  type RetrievalEvalDataset,
} from '#src/datasets/index.js';
import { DataError } from '#src/index.js';
import { collect, familySection, plain, samplesOf, withImages } from './support.js';

/** Karpathy's files as LAVIS hands them out. */
const TRAIN = [
  { caption: 'A Dog runs.', image: 'val2014/COCO_val2014_000000522418.jpg', image_id: 'coco_522418' },
  { caption: 'A cat!', image: 'train2014/COCO_train2014_000000318219.jpg', image_id: 'coco_318219' },
  { caption: 'The same dog', image: 'val2014/COCO_val2014_000000522418.jpg', image_id: 'coco_522418' },
];
const VAL = [
  { image: TRAIN[1].image, caption: ['A cat sits.', 'One cat'] },
  { image: TRAIN[0].image, caption: ['A dog', 'The "dog"', 'Dogs'] },
];

async function build(val: object[] = VAL) {
  const files = await withImages(TRAIN[0].image, TRAIN[1].image);
  const section = familySection(files, { train: [TRAIN], val: [val] });
  const datasets = await CocoRetrievalBuilder.fromConfig(section).buildDatasets();
  return { ...files, ...(datasets as { train: Dataset; val: RetrievalEvalDataset }) };
}

test('images are numbered in the order in which their ids are first met', async () => {
  const { train } = await build();
  const samples = await samplesOf(train);
  assert.deepEqual(samples.map(plain), [
    { text_input: 'a dog runs', image_id: 0, instance_id: '0' },
    { text_input: 'a cat', image_id: 1, instance_id: '1' },
    { text_input: 'the same dog', image_id: 0, instance_id: '2' },
  ]);
  const batch = train.collate(samples);
  assert.deepEqual(batch.image_id, [0, 1, 0]);
  assert.deepEqual((batch.image as { shape: number[] }).shape, [3, 16, 16, 3]);
});

test('an evaluation split has one sample an image and all texts, processed, with who belongs to whom', async () => {
  const { val, images } = await build();
  assert.deepEqual((await samplesOf(val)).map(plain), [
    { index: 0, instance_id: '0' },
    { index: 1, instance_id: '1' },
  ]);
  assert.deepEqual(val.text, ['a cat sits', 'one cat', 'a dog', 'the dog', 'dogs']);
  assert.deepEqual(val.image, [VAL[0].image, VAL[1].image]);
  assert.deepEqual(val.txt2img, [0, 0, 1, 1, 1]);
  assert.deepEqual(val.img2txt, [
    [0, 1],
    [2, 3, 4],
  ]);
  assert.deepEqual(
    [...val.imageFiles()],
    [0, 1].map((i) => [i, [`${images}/${VAL[i].image}`]]),
  );
});

test('the first images alone come with their own texts', async () => {
  const { val } = await build();
  const head = val.head(1);
  assert.deepEqual(
    [head.length, head.text, head.txt2img, head.img2txt],
    [1, ['a cat sits', 'one cat'], [0, 0], [[0, 1]]],
  );
});

test('entries of one image are one image', async () => {
  const [cat, dog] = VAL;
  const { val } = await build([{ ...cat, caption: 'A cat sits.' }, dog, { ...cat, caption: 'One cat' }]);
  assert.deepEqual(val.text, ['a cat sits', 'one cat', 'a dog', 'the dog', 'dogs']);
  assert.deepEqual(val.img2txt, [
    [0, 1],
    [2, 3, 4],
  ]);
});

test('an image without a text is refused: nothing could find it', async () => {
  await assert.rejects(build([VAL[0], { ...VAL[1], caption: [] }]), (error: DataError) => {
    assert.ok(error instanceof DataError);
    assert.match(error.message, /an image has no text[\s\S]*val0\.json, entry 1/);
    return true;
  });
  await assert.rejects(build([{ ...VAL[0], caption: [3] }]), /'caption' is not text/);
});

test('workers read what this thread reads, and a damaged image is replaced and counted', async () => {
  const { train, images } = await build();
  const options = { dataset: train, batchSize: 3, seed: 5, maxBadSamples: 2 };
  const here = new DataLoader(options);
  const pool = new DataLoader({ ...options, numWorkers: 2 });
  try {
    assert.deepEqual(await collect(pool.epoch(0)), await collect(here.epoch(0)));
    rmSync(`${images}/${TRAIN[1].image}`);
    await assert.rejects(
      checkSamples([train], 0),
      /an image is missing[\s\S]*318219\.jpg\n.*train0\.json, entry 1/,
    );
    const [batch] = await collect(pool.epoch(0));
    assert.deepEqual(batch.image_id, [0, 0, 0]);
    assert.equal(pool.badSamples.list.length, 1);
    await assert.rejects(train.get(1, Rng.of(0)), DataError);
  } finally {
    await pool.close();
  }
});
