import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { DataError } from '#src/common/errors.js';
import { decodeImage } from '#src/processors/index.js';
import { fixture, temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const jpeg = await readFile(fixture('image_eval', 'rgb_420.jpg'));
const png = await readFile(fixture('image_eval', 'wide_700x300.png'));

/** The error of decoding a file with these bytes. */
async function failure(name: string, bytes: Uint8Array | string): Promise<DataError> {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  const error = await decodeImage(path).then(
    () => assert.fail(`${name} was decoded`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof DataError, String(error));
  assert.equal(error.details.where, path);
  return error;
}

test('bytes decode as the file does', async () => {
  const path = fixture('image_eval', 'rgb_420.jpg');
  assert.deepEqual(await decodeImage(jpeg), await decodeImage(path));
});

test('a missing image is named', async () => {
  const path = join(folder, 'nowhere.jpg');
  await assert.rejects(decodeImage(path), (error: Error) => {
    assert.ok(error instanceof DataError);
    assert.match(error.message, /an image is missing[\s\S]*nowhere\.jpg[\s\S]*storage/);
    return true;
  });
});

test('a folder in place of an image is an error', async () => {
  await assert.rejects(decodeImage(folder), (error: Error) => error instanceof DataError);
});

for (const kept of [20, 300, Math.floor(jpeg.length / 2), jpeg.length - 2]) {
  test(`a JPEG cut after ${kept} of ${jpeg.length} bytes is an error, as it is to Pillow`, async () => {
    const error = await failure('cut.jpg', jpeg.subarray(0, kept));
    assert.match(error.details.found!, new RegExp(`^a JPEG, ${kept} bytes: .*premature end`));
  });
}

test('a JPEG with rubbish after its end is whole', async () => {
  const trailed = Buffer.concat([jpeg, Buffer.from('rubbish')]);
  assert.deepEqual(await decodeImage(trailed), await decodeImage(jpeg));
});

test('a PNG that is cut or damaged is an error', async () => {
  assert.match((await failure('cut.png', png.subarray(0, 9000))).details.found!, /^a PNG, 9000 bytes/);
  const damaged = Buffer.from(png);
  damaged[png.length >> 1] ^= 0x55;
  await failure('damaged.png', damaged);
});

test('what is no image is described', async () => {
  assert.match((await failure('page.jpg', '<!DOCTYPE html>')).details.found!, /text that starts with "<!DOC/);
  assert.match((await failure('empty.jpg', '')).details.found!, /an empty file/);
  assert.match((await failure('archive.jpg', 'PK\x03\x04rest')).details.found!, /a zip archive/);
  assert.match((await failure('noise.jpg', Uint8Array.of(1, 2, 3, 250))).details.found!, /no known format/);
});

test('16-bit colour keeps the upper byte, and 16-bit grey is cut at 255, as by Pillow', async () => {
  const values = Uint16Array.from({ length: 3 * 4 * 5 }, (_, i) => i * 1000 + 131);
  const colour = await sharp(values, { raw: { width: 4, height: 5, channels: 3 } })
    .toColourspace('rgb16')
    .png()
    .toBuffer();
  assert.equal((await sharp(colour).metadata()).depth, 'ushort');
  assert.deepEqual([...(await decodeImage(colour)).data], [...values.map((v) => v >> 8)]);

  const steps = Uint16Array.from({ length: 20 }, (_, i) => i * 30);
  const grey = await sharp(steps, { raw: { width: 4, height: 5, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toBuffer();
  assert.equal((await sharp(grey).metadata()).space, 'grey16');
  const expected = [...steps].flatMap((v) => Array(3).fill(Math.min(v, 255)));
  assert.deepEqual([...(await decodeImage(grey)).data], expected);
});

test('a colour profile changes nothing', async () => {
  const raw = Buffer.from([200, 30, 60, 10, 220, 90]);
  const file = await sharp(raw, { raw: { width: 2, height: 1, channels: 3 } })
    .withIccProfile('p3', { attach: true })
    .png()
    .toBuffer();
  assert.ok((await sharp(file).metadata()).hasProfile);
  const stored = await sharp(file, { ignoreIcc: true }).raw().toBuffer();
  assert.deepEqual([...(await decodeImage(file)).data], [...stored.subarray(0, 6)]);
});
