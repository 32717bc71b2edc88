import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { fileSystemPath, lossyText, pathText } from '#src/common/paths.js';
import { imageBytes, imagesOf } from '#src/processors/image_sources.js';
import { decodeImage } from '#src/processors/index.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const NAMES = [
  Buffer.from('caf\xe9.jpg', 'latin1'),
  Buffer.from('\xe9\xe8\xff.jpg', 'latin1'),
  Buffer.from('\x83e\x83X\x83g.jpg', 'latin1'), // Shift-JIS
  Buffer.concat([Buffer.from('grün 🐈 '), Buffer.of(0xf0, 0x9f), Buffer.from('.jpg')]),
  Buffer.from('日本.jpg'),
];
const picture = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
  .jpeg()
  .toBuffer();
const path = (name: Buffer, below = folder) => Buffer.concat([Buffer.from(`${below}/`), name]);

test('a name of any bytes is the same file again', () => {
  for (const name of NAMES) {
    const found = fileSystemPath(pathText(name));
    assert.ok((typeof found === 'string' ? Buffer.from(found) : found).equals(name), name.toString('hex'));
    assert.equal(lossyText(pathText(name)).includes('\ufffd'), typeof found !== 'string');
  }
  assert.equal(pathText(Buffer.from('a 🐈')), 'a 🐈');
});

test('pictures whose names are not UTF-8 are captioned: by their folder, below such a folder, by name', async (t) => {
  const below = Buffer.from('d\xfcnn', 'latin1');
  try {
    for (const name of NAMES) writeFileSync(path(name), picture);
    mkdirSync(path(below));
    writeFileSync(Buffer.concat([path(below), Buffer.from('/in.jpg')]), picture);
  } catch {
    return t.skip('the file system takes no such names');
  }
  const images = await imagesOf([folder]);
  assert.equal(images.length, NAMES.length + 1);
  for (const image of images) {
    assert.equal((await decodeImage(await imageBytes(image))).width, 2);
  }
  for (const name of NAMES) {
    const [image] = await imagesOf([join(folder, name.toString('utf8'))]); // as Node reads the command line
    assert.equal((await decodeImage(image)).width, 2);
  }
  await assert.rejects(imagesOf([join(folder, 'no\ufffd.jpg')]), /an image is missing/);
});
