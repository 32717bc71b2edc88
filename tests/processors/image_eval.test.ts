import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { BlipImageEvalProcessor, decodeImage } from '#src/processors/index.js';
import { Resampler } from '#src/processors/resample.js';
import { fixture, fixtureJson } from '../support.js';
import { channelsLast, decodedFixture, difference, readTensors } from './support.js';

interface ImageCase {
  file: string;
  note: string;
  width: number;
  height: number;
  decoded_rgb_png: string | null;
  decoded_sha256: string;
}
const { images } = fixtureJson<{ images: ImageCase[] }>('image_eval', 'images.json');
const resized = readTensors('image_eval', 'resized.safetensors');
const resampler = new Resampler();
const normalized = readTensors('image_eval', 'normalized.safetensors');

for (const { file, note, width, height, decoded_rgb_png, decoded_sha256 } of images) {
  test(`${file} decodes to the reference's pixels (${note})`, async () => {
    const image = await decodeImage(fixture('image_eval', file), { decode: 'reference' });
    assert.deepEqual([image.width, image.height], [width, height]);
    assert.equal(createHash('sha256').update(image.data).digest('hex'), decoded_sha256);
  });

  test(`${file} resizes to Pillow's bytes`, async () => {
    const image = await decodedFixture(file, decoded_rgb_png);
    const box = { x: 0, y: 0, width, height };
    assert.deepEqual(resampler.resize(image, box, 96, 96).data, resized.get(file)!.data);
  });

  test(`${file} goes through blip_image_eval as through the reference`, async () => {
    const processor = BlipImageEvalProcessor.fromConfig({
      name: 'blip_image_eval',
      image_size: 96,
      decode: 'reference',
    });
    const { data, shape } = await processor.process(fixture('image_eval', file));
    assert.deepEqual(shape, [96, 96, 3]);
    const { max } = difference(data, channelsLast(normalized.get(file)!));
    assert.ok(max <= 1e-6, `largest difference ${max}`);
  });
}
