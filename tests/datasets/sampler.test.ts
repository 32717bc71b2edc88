import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchesOf, epochOrder, imageId, indicesOfRank } from '#src/datasets/index.js';
import { fixtureJson } from '../support.js';

interface Case {
  dataset_size: number;
  world_size: number;
  batch_size: number;
  ranks: {
    rank: number;
    indices: number[];
    train_batches_drop_last: number[][];
    eval_batches: number[][];
    train_iters_per_epoch: number;
  }[];
}

const plain = (batches: Uint32Array[]) => batches.map((batch) => [...batch]);

test("each rank gets the indices and batches that PyTorch's DistributedSampler gives it", () => {
  const { cases } = fixtureJson<{ cases: Case[] }>('sampler', 'distributed_sampler.json');
  for (const { dataset_size, world_size, batch_size, ranks } of cases) {
    for (const expected of ranks) {
      const order = epochOrder(dataset_size, 0, { rank: expected.rank, worldSize: world_size });
      assert.deepEqual([...order], expected.indices);
      const train = batchesOf(order, batch_size, true);
      assert.deepEqual(plain(train), expected.train_batches_drop_last);
      assert.equal(train.length, expected.train_iters_per_epoch);
      assert.deepEqual(plain(batchesOf(order, batch_size, false)), expected.eval_batches);
    }
  }
});

test('a shuffled epoch is a permutation that depends on seed and epoch alone', () => {
  const order = (seed: number, epoch: number) => [...epochOrder(50, epoch, { shuffle: true, seed })];
  assert.deepEqual(
    order(1, 2).toSorted((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.deepEqual(order(1, 2), order(1, 2));
  assert.notDeepEqual(order(1, 2), order(1, 3));
  assert.notDeepEqual(order(1, 2), order(2, 2));
});

test('the shuffled shards of all ranks cover the dataset', () => {
  const options = { shuffle: true, seed: 3, worldSize: 3 };
  const seen = [0, 1, 2].flatMap((rank) => [...epochOrder(10, 4, { ...options, rank })]);
  assert.equal(seen.length, 12);
  assert.equal(new Set(seen).size, 10);
});

test('an order shorter than the world is repeated', () => {
  assert.deepEqual([...indicesOfRank([7, 8], { rank: 6, worldSize: 8 })], [7]);
});

test("an image's id is the number after the last underscore of its name", () => {
  const { cases } = fixtureJson<{ cases: { image: string; result_image_id: number | string }[] }>(
    'sampler',
    'image_ids.json',
  );
  // The reference strips characters where it should take the extension off.
  const mended: Record<string, number | string> = {
    'g123.jpg': 'g123',
    'pig_page.jpg': 'page',
    'a/b/photo.jpeg': 'photo',
    'image.png': 'image',
    'jpg.jpg': 'jpg',
    'img_007.JPG': 7,
  };
  for (const { image, result_image_id } of cases) {
    assert.equal(imageId(image), mended[image] ?? result_image_id, image);
  }
});

test("an image's id is without whichever ending says that it is an image", () => {
  for (const ending of ['jfif', 'JPE', 'dib', 'heic', 'avif', 'tif', 'jpg.png'])
    assert.equal(imageId(`a/COCO_val2014_000000000042.${ending}`), 42, ending);
  assert.equal(imageId('a/photo.v2'), 'photo.v2');
});
