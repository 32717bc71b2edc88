import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  BadSamples,
  type Batch,
  DataLoader,
  type DataLoaderOptions,
  type Dataset,
} from '#src/datasets/index.js';
import { DataError } from '#src/index.js';
import { temporaryFolder } from '../support.js';
import { collect, imageIdsOf, imageOf, tinyCoco, trainOf } from './support.js';

type Options = Omit<DataLoaderOptions, 'dataset' | 'batchSize'>;
const training = (dataset: Dataset, options: Options = {}) =>
  new DataLoader({ dataset, batchSize: 3, shuffle: true, dropLast: true, seed: 7, ...options });

const ids = (batches: Batch[]) => batches.map(imageIdsOf);

test('training drops the last partial batch, evaluation keeps it', async () => {
  const dataset = await trainOf(await tinyCoco(8));
  assert.equal(training(dataset).batchesPerEpoch, 2);
  const evaluation = new DataLoader({ dataset, batchSize: 3 });
  assert.equal(evaluation.batchesPerEpoch, 3);
  assert.deepEqual(
    ids(await collect(evaluation.epoch(0))).map((batch) => batch?.length),
    [3, 3, 2],
  );
});

test('two workers give the batches that none gives, bit for bit', async () => {
  const dataset = await trainOf(await tinyCoco(11));
  const alone = await collect(training(dataset).epoch(1));
  const loader = training(dataset, { numWorkers: 2 });
  const helped = await collect(loader.epoch(1));
  await loader.close();
  assert.deepEqual(helped, alone);
});

test('an epoch resumed after two batches goes on with the third, and reads none of the first', async () => {
  const coco = await tinyCoco(12);
  const dataset = await trainOf(coco);
  const whole = await collect(training(dataset).epoch(3));
  for (const id of whole.slice(0, 2).flatMap((batch) => batch.image_id!)) {
    rmSync(coco.path(`images/COCO_00000${String(id).slice(5)}.jpg`), { force: true });
  }
  const rest = await collect(training(dataset).epoch(3, { skipBatches: 2 }));
  assert.deepEqual(rest, whole.slice(2));
});

test('augmentation differs between epochs and seeds', async () => {
  const dataset = await trainOf(await tinyCoco(6));
  const pixels = async (epoch: number, seed: number) => {
    const [batch] = await collect(training(dataset, { shuffle: false, seed }).epoch(epoch));
    assert.deepEqual(batch.image_id, ['coco_0', 'coco_1', 'coco_2']);
    return imageOf(batch).data;
  };
  const first = await pixels(0, 7);
  assert.deepEqual(await pixels(0, 7), first);
  assert.notDeepEqual(await pixels(1, 7), first);
  assert.notDeepEqual(await pixels(0, 8), first);
});

test('images of two sizes are told, with the processor that mends it', async () => {
  const dataset = await trainOf(await tinyCoco(2));
  const image = (height: number, width: number) => ({
    data: new Float32Array(height * width * 3),
    shape: [height, width, 3] as [number, number, 3],
  });
  for (const other of [image(4, 5), image(5, 4)]) {
    assert.throws(
      () => dataset.collate([{ image: image(4, 4) }, { image: other }]),
      (error) => error instanceof DataError && /differ in size[\s\S]*blip_image_eval/.test(error.message),
    );
  }
});

test('two ranks share an epoch', async () => {
  const dataset = await trainOf(await tinyCoco(12));
  const ranks = [0, 1].map((rank) => training(dataset, { rank, worldSize: 2 }));
  const seen = (await Promise.all(ranks.map((loader) => collect(loader.epoch(0))))).flatMap(ids).flat();
  assert.equal(new Set(seen).size, 12);
});

test('a batch larger than the dataset is told', async () => {
  const dataset = await trainOf(await tinyCoco(2));
  assert.throws(
    () => training(dataset),
    (error) => error instanceof DataError && /larger than the dataset coco_caption train/.test(error.message),
  );
});

for (const numWorkers of [0, 1]) {
  test(`bad samples are skipped up to a limit, counted once and listed, with ${numWorkers} workers`, async () => {
    const coco = await tinyCoco(6);
    const dataset = await trainOf(coco);
    rmSync(coco.path('images/COCO_000002.jpg'));
    rmSync(coco.path('images/COCO_000003.jpg'));
    const file = coco.path('bad.jsonl');
    const badSamples = new BadSamples({ limit: 2, file });
    const loader = new DataLoader({ dataset, batchSize: 3, numWorkers, badSamples });
    for (const epoch of [0, 1]) {
      assert.deepEqual(ids(await collect(loader.epoch(epoch))), [
        ['coco_0', 'coco_1', 'coco_4'],
        ['coco_4', 'coco_4', 'coco_5'],
      ]);
    }
    await loader.close();
    assert.deepEqual(badSamples.list.map((bad) => bad.index).sort(), [2, 3]);
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    assert.equal(lines.length, 2);
    assert.match(lines.sort()[0], /COCO_00000[23]\.jpg/);
    assert.equal(new BadSamples({ limit: 2, file }).list.length, 2);

    const strict = new DataLoader({ dataset, batchSize: 3, numWorkers, maxBadSamples: 1 });
    await assert.rejects(collect(strict.epoch(0)), /more than 1 samples cannot be read/);
    await strict.close();
  });
}

test('what other ranks cannot read counts, each sample once, and is neither told nor listed again', () => {
  const file = `${temporaryFolder()}/bad.jsonl`;
  const [here, there] = [new BadSamples({ limit: 2, file }), new BadSamples({ limit: 2 })];
  const broken = new DataError('an image cannot be decoded');
  here.report('d', 1, broken);
  there.report('d', 1, broken);
  there.report('d', 2, broken);
  here.learn(there.untold());
  assert.deepEqual(there.untold(), []);
  assert.deepEqual(
    here.list.map(({ index }) => index),
    [1, 2],
  );
  assert.equal(readFileSync(file, 'utf8').trim().split('\n').length, 1);
  assert.throws(() => here.report('d', 3, broken), /more than 2 samples cannot be read/);
  there.learn([]);
  assert.throws(() => there.learn(here.untold()), /more than 2 samples cannot be read/);
});

test('a list of bad samples whose last line was cut short is read and gone on with', () => {
  const file = `${temporaryFolder()}/bad.jsonl`;
  const bad = (index: number) => ({ dataset: 'd', index, reason: 'a {b}' });
  writeFileSync(file, `${JSON.stringify(bad(1))}\n${JSON.stringify(bad(2)).slice(0, -2)}`);
  const badSamples = new BadSamples({ limit: 5, file });
  assert.deepEqual(badSamples.list, [bad(1)]);
  badSamples.report('d', 2, new DataError('a {b}'));
  assert.deepEqual(
    new BadSamples({ limit: 5, file }).list.map(({ index }) => index),
    [1, 2],
  );
});

test('a consumer that leaves early leaves nothing behind', async () => {
  const dataset = await trainOf(await tinyCoco(9));
  const loader = training(dataset, { numWorkers: 1 });
  for await (const batch of loader.epoch(0)) {
    assert.equal(imageOf(batch).shape[0], 3);
    break;
  }
  await loader.close();
});
