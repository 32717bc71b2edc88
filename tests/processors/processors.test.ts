import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '#src/common/errors.js';
import { Rng } from '#src/common/random.js';
import { registry } from '#src/common/registry.js';
import {
  type BlipCaptionProcessor,
  BlipImageEvalProcessor,
  type BlipImageTrainProcessor,
  loadImageProcessor,
  loadProcessor,
  loadTextProcessor,
} from '#src/processors/index.js';
import { fixture } from '../support.js';
import { difference } from './support.js';

const photo = fixture('image_eval', 'exif_orientation6.jpg');

/** The message of the ConfigError that this throws. */
function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail('nothing was thrown');
}

test('the processors are registered under the reference’s names', () => {
  const names = ['blip_image_eval', 'blip_image_train', 'blip_caption', 'blip_question'];
  for (const name of names) assert.ok(registry.listProcessors().includes(name), name);
  assert.ok(loadProcessor('blip_image_eval') instanceof BlipImageEvalProcessor);
});

test('defaults are the reference’s', () => {
  assert.equal((loadProcessor('blip_image_eval') as BlipImageEvalProcessor).imageSize, 384);
  const train = loadProcessor('blip_image_train', {}) as BlipImageTrainProcessor;
  assert.deepEqual([train.imageSize, train.minScale, train.maxScale], [384, 0.5, 1]);
  const caption = loadProcessor('blip_caption') as BlipCaptionProcessor;
  assert.deepEqual([caption.prompt, caption.maxWords], ['', 50]);
});

test('keys are taken from the section, and null stands for the default', () => {
  const section = { name: 'blip_image_train', image_size: 64, mean: null, min_scale: 0.2, max_scale: 0.9 };
  const train = loadProcessor('blip_image_train', section) as BlipImageTrainProcessor;
  assert.deepEqual([train.imageSize, train.minScale, train.maxScale], [64, 0.2, 0.9]);
});

test('mean and std change the result as they should', () => {
  const pixels = { data: Uint8Array.from({ length: 12 }, (_, i) => i * 20), width: 2, height: 2 };
  const section = { image_size: 2, mean: [0, 0.5, 1], std: [1, 0.5, 2] };
  const { data } = loadImageProcessor('blip_image_eval', section).apply(pixels);
  const expected = [...pixels.data].map((v, i) => (v / 255 - [0, 0.5, 1][i % 3]) / [1, 0.5, 2][i % 3]);
  assert.ok(difference(data, expected).max < 1e-6);
});

test('an unknown processor lists the nearest', () => {
  assert.match(
    complaint(() => loadProcessor('blip_image_evl')),
    /blip_image_evl[\s\S]*'blip_image_eval'/,
  );
});

test('an unknown key is an error with a suggestion', () => {
  const message = complaint(() => loadProcessor('blip_image_eval', { name: 'x', image_sise: 96 }));
  assert.match(message, /blip_image_eval\.image_sise is not known\s+found: +did you mean 'image_size'/);
  assert.match(
    complaint(() => loadProcessor('blip_question', { prompt: 'q' })),
    /blip_question\.prompt is not known/,
  );
});

test('wrong values are told all at once', () => {
  const section = { image_size: 'big', mean: [1, 2], std: [0, 1, 1], min_scale: 0, max_scale: 1.5 };
  const message = complaint(() => loadProcessor('blip_image_train', section));
  const found = {
    image_size: "the text 'big'",
    mean: '[1,2]',
    'std.0': '0',
    min_scale: '0',
    max_scale: '1.5',
  };
  for (const [key, value] of Object.entries(found)) {
    const told = `blip_image_train.${key} has a value that is not allowed\n     found:   ${value}\n`;
    assert.ok(message.includes(told), `${told} in ${message}`);
  }
  assert.match(
    complaint(() => loadProcessor('blip_caption', { max_words: 0 })),
    /max_words has a value that is not allowed\s+found: +0/,
  );
  assert.match(
    complaint(() => loadProcessor('blip_caption', { prompt: 3 })),
    /prompt has a value that is not allowed\s+found: +3\s+allowed: +text/,
  );
  const swapped = { min_scale: 0.9, max_scale: 0.5 };
  assert.match(
    complaint(() => loadProcessor('blip_image_train', swapped)),
    /min_scale no greater than max_scale/,
  );
});

test('a processor of the other kind is refused', () => {
  assert.match(
    complaint(() => loadImageProcessor('blip_caption')),
    /not an image processor/,
  );
  assert.match(
    complaint(() => loadTextProcessor('blip_image_eval')),
    /not a text processor/,
  );
});

test('a training image depends on its generator alone', async () => {
  const train = loadImageProcessor('blip_image_train', { image_size: 32 });
  const [a, again] = [await train.process(photo, Rng.of(5)), await train.process(photo, Rng.of(5))];
  assert.deepEqual(a, again);
  const other = await train.process(photo, Rng.of(6));
  assert.ok(difference(a.data, other.data).mean > 0.01);
  const elsewhere = loadImageProcessor('blip_image_train', { image_size: 32 });
  assert.deepEqual(await elsewhere.process(photo, Rng.of(5)), a);
});

test('half of the training images are mirrored', () => {
  // Left black, right white; black and white stay what they are under every operation but moves.
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => ((i / 3) % 64 < 32 ? 0 : 255));
  const train = loadImageProcessor('blip_image_train', { image_size: 16, min_scale: 0.95 });
  let mirrored = 0;
  for (let seed = 0; seed < 400; seed++) {
    const pixels = train.apply({ data, width: 64, height: 64 }, Rng.of(seed, 'mirror')).data;
    const row = pixels.subarray(8 * 16 * 3, 9 * 16 * 3);
    if (row[3 * 3] > row[12 * 3]) mirrored++;
  }
  // Four standard deviations of 400 even draws.
  assert.ok(Math.abs(mirrored - 200) < 40, `${mirrored} of 400`);
});

test('training without a generator is an error', async () => {
  await assert.rejects(loadImageProcessor('blip_image_train').process(photo), TypeError);
});
