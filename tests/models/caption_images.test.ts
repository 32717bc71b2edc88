import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { type BlipCaption, captionImages } from '#src/models/index.js';
import { loadImageProcessor } from '#src/processors/index.js';
import { fixture } from '../support.js';
import { tinyModel } from './tiny.js';

describe('captionImages', () => {
  const processor = loadImageProcessor('blip_image_eval', { name: 'blip_image_eval', image_size: 64 });
  const path = fixture('image_eval', 'rgb_420.jpg');
  const other = { data: new Uint8Array(12 * 9 * 3).fill(90), width: 12, height: 9 };
  const options = { numBeams: 2, maxLength: 12, minLength: 5 };
  let model: BlipCaption;
  before(async () => {
    await setupEngine({ device: 'cpu' });
    model = (await tinyModel()).eval();
  });
  after(() => model.dispose());

  it('describes files and pixels, the same in a batch as alone, and leaves no tensor behind', async () => {
    const tensors = tf.memory().numTensors;
    const together = await captionImages(model, processor, [path, other, path], options);
    assert.equal(together.length, 3);
    assert.deepEqual(together[0], together[2]);
    const alone = await captionImages(model, processor, [other], { ...options, batchSize: 1 });
    assert.deepEqual(alone[0], together[1]);
    const two = await captionImages(model, processor, [other], { ...options, numReturnSequences: 2 });
    assert.equal(two[0].length, 2);
    assert.equal(two[0][0], together[1][0]);
    assert.equal(tf.memory().numTensors, tensors);
  });

  it('tells of an image that cannot be read, or throws', async () => {
    const images = [path, 'nowhere.jpg', other];
    await assert.rejects(captionImages(model, processor, images, options), DataError);
    const told: number[] = [];
    const found = await captionImages(model, processor, images, {
      ...options,
      onError: (error, i) => {
        assert.ok(error instanceof DataError);
        told.push(i);
      },
    });
    assert.deepEqual(told, [1]);
    assert.deepEqual(
      found.map((captions) => captions.length),
      [1, 0, 1],
    );
  });
});
