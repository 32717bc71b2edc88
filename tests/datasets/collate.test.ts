import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { batchSize, collate, idsOf } from '#src/datasets/index.js';

const image = (value: number) => ({ data: new Float32Array(6).fill(value), shape: [1, 2, 3] });

test('every numeric array of a sample is stacked, whatever its key; everything else is listed', () => {
  const batch = collate([
    { image0: image(1), image1: image(2), label: 1, boxes: { data: new Int32Array([1, 2]), shape: [2] } },
    { image0: image(3), image1: image(4), label: 0, boxes: { data: new Int32Array([3, 4]), shape: [2] } },
  ]);
  assert.deepEqual(batch, {
    image0: { data: Float32Array.of(1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3), shape: [2, 1, 2, 3] },
    image1: { data: Float32Array.of(2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4), shape: [2, 1, 2, 3] },
    label: [1, 0],
    boxes: { data: Int32Array.of(1, 2, 3, 4), shape: [2, 2] },
  });
});

test('arrays of two sizes under one key are refused by the name of the key', () => {
  const wide = { data: new Float32Array(12), shape: [2, 2, 3] };
  assert.throws(
    () => collate([{ image1: image(1) }, { image1: wide }]),
    (error) =>
      error instanceof DataError && /'image1'.*\n?.*/s.test(error.message) && /2 x 2 x 3/.test(error.message),
  );
});

test('a batch knows how many samples it has, with images or without', () => {
  assert.equal(batchSize(collate([{ text_input: 'a' }, { text_input: 'b' }])), 2);
  assert.equal(batchSize(collate([{ id: 1, image: image(1) }])), 1);
});

test('samples are named by their images, by their questions, or by their places', () => {
  assert.deepEqual(idsOf({ question_id: [7, 8], instance_id: ['0', '1'] }), [7, 8]);
  assert.deepEqual(idsOf({ text_input: ['a'] }), []);
});
