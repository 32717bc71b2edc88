import assert from 'node:assert/strict';
import { createWriteStream, writeFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import {
  type Batch,
  type BatchSource,
  ConcatDataset,
  type Dataset,
  endless,
  type IterableDataset,
  type MixedLoader,
  ShardsCaptionBuilder,
  trainSource,
} from '#src/datasets/index.js';
import { ConfigError } from '#src/index.js';
import { temporaryFolder } from '../support.js';
import { collect, imageOf, textsOf, tinyCoco, trainOf } from './support.js';

/** The batches of a source from its `start`-th on, over epochs. */
async function take(source: BatchSource, start: number, count: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of endless(source, start)) {
    if (batches.push(batch) === count) break;
  }
  return batches;
}

test('concatenated datasets follow each other, and a batch keeps the keys they share', async () => {
  const [one, two] = [await trainOf(await tinyCoco(3)), await trainOf(await tinyCoco(2))];
  const both = new ConcatDataset([one, two]);
  assert.equal(both.length, 5);
  assert.deepEqual(both.locate(2), [one, 2]);
  assert.deepEqual(both.locate(3), [two, 0]);
  assert.deepEqual(both.job?.(4), two.job?.(1));
  const { image } = await sampleOf(one);
  const batch = both.collate([
    { image, text_input: 'a', image_id: 1 },
    { image, text_input: 'b' },
  ]);
  assert.deepEqual(Object.keys(batch), ['image', 'text_input']);
});

async function sampleOf(dataset: Dataset) {
  const [batch] = await collect(trainSource([dataset], { batchSize: 1, seed: 1 }).epoch(0));
  const [, height, width] = imageOf(batch).shape;
  return { image: { data: imageOf(batch).data, shape: [height, width, 3] as [number, number, 3] } };
}

const names = (batches: Batch[]) => batches.map((batch) => textsOf(batch)?.[0].split(' ')[0]);

/** Datasets whose captions begin with a word of their own. */
async function worded(...words: string[]): Promise<Dataset[]> {
  return Promise.all(
    words.map(async (word, i) => {
      const coco = await tinyCoco(5 + i, 8);
      const list = Array.from({ length: 5 + i }, (_, k) => ({
        image: `COCO_00000${k}.jpg`,
        image_id: `${word} ${k}`,
        caption: `${word} ${k}`,
      }));
      writeFileSync(coco.path('train.json'), JSON.stringify(list));
      return trainOf(coco);
    }),
  );
}

test('batches come from three datasets by ratio', async () => {
  const source = trainSource(await worded('a', 'b', 'c'), { batchSize: 1, seed: 1, ratios: [6, 3, 1] });
  const counts = { a: 0, b: 0, c: 0 };
  for (const name of names(await take(source, 0, 400))) counts[name as 'a']++;
  assert.ok(Math.abs(counts.a - 240) < 30 && Math.abs(counts.b - 120) < 30 && Math.abs(counts.c - 40) < 20);
});

test('a run over three datasets at ratios resumes exactly at any step', async () => {
  const datasets = await worded('a', 'b', 'c');
  const source = () => trainSource(datasets, { batchSize: 2, seed: 5, ratios: [0.5, 0.3, 0.2] });
  const whole = await take(source(), 0, 25);
  assert.deepEqual(new Set(names(whole)).size, 3);
  for (const stop of [1, 6, 7, 16]) {
    assert.deepEqual(await take(source(), stop, 25 - stop), whole.slice(stop));
  }
});

test('without ratios the datasets are one', async () => {
  const source = trainSource(await worded('a', 'b'), { batchSize: 1, seed: 2 });
  assert.equal(source.batchesPerEpoch, 11);
  const seen = (await collect(source.epoch(0))).flatMap((batch) => batch.image_id as string[]);
  assert.equal(new Set(seen).size, 11);
});

test('ratios that do not fit the datasets are told', async () => {
  const datasets = await worded('a', 'b');
  for (const ratios of [[1], [1, -1], [0, 0], [1, Number.NaN]]) {
    assert.throws(
      () => trainSource(datasets, { batchSize: 1, ratios }),
      (error) => error instanceof ConfigError && /run\.train_dataset_ratios/.test(error.message),
    );
  }
  const last = trainSource(datasets, { batchSize: 1, ratios: [1, 0] }) as MixedLoader;
  assert.ok(Array.from({ length: 200 }, (_, step) => last.loaderOf(step)).every((i) => i === 0));
});

interface Member {
  name: string;
  data: Buffer | string;
}

async function writeTar(path: string, members: Member[]): Promise<void> {
  const archive = pack();
  for (const { name, data } of members) archive.entry({ name }, data);
  archive.finalize();
  await pipeline(archive, createWriteStream(path));
}

const jpeg = (i: number) =>
  sharp({ create: { width: 12, height: 10, channels: 3, background: { r: i * 20, g: 90, b: 10 } } })
    .jpeg()
    .toBuffer();

/** Three shards of five samples; the second has JSON captions and a name past 100 characters. */
async function shards(change: (members: Member[][]) => void = () => {}): Promise<IterableDataset> {
  const folder = temporaryFolder();
  const members: Member[][] = [];
  for (let shard = 0; shard < 3; shard++) {
    members.push([{ name: 'README', data: 'not a sample' }]);
    for (let i = 0; i < 5; i++) {
      const key = shard === 1 ? `${'long/'.repeat(24)}s${shard}_${i}` : `s${shard}_${i}`;
      members[shard].push({ name: `${key}.jpg`, data: await jpeg(shard * 5 + i) });
      members[shard].push(
        shard === 1
          ? { name: `${key}.json`, data: JSON.stringify({ caption: [`Words ${shard} ${i}`] }) }
          : { name: `${key}.txt`, data: `Words ${shard} ${i}\n` },
      );
    }
  }
  change(members);
  await Promise.all(members.map((list, i) => writeTar(`${folder}/${i}.tar`, list)));
  const section = {
    vis_processor: { train: { name: 'blip_image_train', image_size: 8 } },
    text_processor: { train: { name: 'blip_caption' } },
    build_info: { storage: `${folder}/{0..2}.tar`, shuffle_buffer: 4 },
  };
  const { train } = await ShardsCaptionBuilder.fromConfig(section).buildDatasets();
  return train as IterableDataset;
}

const words = (batches: Batch[]) => batches.flatMap((batch) => batch.text_input as string[]);

test('shards give every sample once an epoch, shuffled anew each time', async () => {
  const dataset = await shards();
  assert.equal(dataset.samplesPerEpoch, 15);
  const source = trainSource([dataset], { batchSize: 3, seed: 1 });
  assert.equal(source.batchesPerEpoch, 5);
  const [first, second] = [await collect(source.epoch(0)), await collect(source.epoch(1))];
  assert.equal(new Set(words(first)).size, 15);
  assert.match(words(first)[0], /^words \d \d$/);
  assert.notDeepEqual(words(first), words(second));
  assert.deepEqual(await collect(source.epoch(0)), first);
  // The buffer is smaller than a shard: an epoch's first sample comes from its first shard.
  const starts = await Promise.all(
    Array.from({ length: 8 }, async (_, epoch) => words(await collect(source.epoch(epoch)))[0].split(' ')[1]),
  );
  assert.ok(new Set(starts).size > 1, 'the shards are shuffled too');
});

test('a sample of a shard is augmented anew each epoch', async () => {
  const source = trainSource([await shards()], { batchSize: 15, seed: 1 });
  const pixelsOf = async (epoch: number) => {
    const [batch] = await collect(source.epoch(epoch));
    const size = imageOf(batch).data.length / 15;
    return new Map(
      textsOf(batch).map((text, i) => [text, imageOf(batch).data.slice(i * size, (i + 1) * size)]),
    );
  };
  const [first, second] = [await pixelsOf(0), await pixelsOf(1)];
  assert.equal(first.size, 15);
  const changed = [...first].filter(([text, pixels]) => pixels.some((v, i) => v !== second.get(text)![i]));
  assert.ok(changed.length > 0);
});

test('ranks share the shards out evenly, and workers and resumes change nothing', async () => {
  const dataset = await shards();
  const options = { batchSize: 2, seed: 1, worldSize: 2 };
  const whole = await Promise.all(
    [0, 1].map(async (rank) => collect(trainSource([dataset], { ...options, rank }).epoch(2))),
  );
  assert.deepEqual(
    whole.map((batches) => batches.length),
    [3, 3],
  );
  assert.equal(new Set(whole.flatMap(words)).size, 12);
  const helped = trainSource([dataset], { ...options, rank: 1, numWorkers: 2 });
  assert.deepEqual(await collect(helped.epoch(2, { skipBatches: 1 })), whole[1].slice(1));
  await helped.close();
});

test('shards and annotation files take turns, and resume exactly', async () => {
  const [dataset] = await worded('a');
  const parts = [dataset, await shards()];
  const source = () => trainSource(parts, { batchSize: 2, seed: 3 });
  const whole = await take(source(), 0, 20);
  const kinds = new Set(names(whole));
  assert.deepEqual([...kinds].sort(), ['a', 'words']);
  assert.deepEqual(await take(source(), 11, 9), whole.slice(11));
});

test('a bad sample of a shard is replaced from its own batch', async () => {
  const dataset = await shards((members) => {
    members[0][1] = { name: 's0_0.jpg', data: 'no picture' };
  });
  const strict = trainSource([dataset], { batchSize: 5, seed: 1 });
  await assert.rejects(collect(strict.epoch(0)), /s0_0/);
  const lenient = trainSource([dataset], { batchSize: 5, seed: 1, maxBadSamples: 1 });
  assert.equal(new Set(words(await collect(lenient.epoch(0)))).size, 14);
  assert.equal(lenient.badSamples.list.length, 1);
});

test('shards that are missing, compressed or cut short are told', async () => {
  const build = (storage: string) =>
    ShardsCaptionBuilder.fromConfig({ build_info: { storage } }).buildDatasets();
  const folder = temporaryFolder();
  await assert.rejects(build(`${folder}/{00..03}.tar`), /4 of 4 are missing/);
  await assert.rejects(build(`${folder}/*.tar`), /no file matches/);
  writeFileSync(`${folder}/0.tar`, Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(600, 7)]));
  await assert.rejects(build(`${folder}/0.tar`), /not a tar header/);
  writeFileSync(`${folder}/1.tar`, '');
  await assert.rejects(build(`${folder}/1.tar`), /1\.tar, byte 0[\s\S]*an empty file/);
});
