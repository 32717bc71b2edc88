import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
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

test('a file that is not an image is described', async () => {
  assert.match((await failure('page.jpg', 'HTTP/1.1 404')).details.found!, /text that starts with "HTTP/);
  assert.match((await failure('empty.jpg', '')).details.found!, /an empty file/);
  assert.match((await failure('archive.jpg', 'PK\x03\x04rest')).details.found!, /a zip archive/);
  assert.match((await failure('noise.jpg', Uint8Array.of(1, 2, 3, 250))).details.found!, /unknown format/);
});

/** A picture of other bytes of pixels, saved by sharp. */
const saved = (values: Uint8Array | Uint16Array, width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(values, { raw: { width, height, channels } });

test('16-bit colour keeps the upper byte; 16-bit grey too, and is cut at 255 for `decode: reference`, as by Pillow', async () => {
  const values = Uint16Array.from({ length: 3 * 4 * 5 }, (_, i) => i * 1000 + 131);
  const colour = await saved(values, 4, 5, 3).toColourspace('rgb16').png().toBuffer();
  assert.equal((await sharp(colour).metadata()).depth, 'ushort');
  for (const decode of ['as_shown', 'reference'] as const) {
    assert.deepEqual([...(await decodeImage(colour, { decode })).data], [...values.map((v) => v >> 8)]);
  }
  const steps = Uint16Array.from({ length: 20 }, (_, i) => i * 3000);
  for (const format of ['png', 'tiff'] as const) {
    const grey = await saved(steps, 4, 5, 1)
      .toColourspace('grey16')
      .toFormat(format, { compression: 'lzw' })
      .toBuffer();
    assert.equal((await sharp(grey).metadata()).space, 'grey16');
    const threefold = (value: (v: number) => number) => [...steps].flatMap((v) => Array(3).fill(value(v)));
    assert.deepEqual(
      [...(await decodeImage(grey)).data],
      threefold((v) => v >> 8),
    );
    assert.deepEqual(
      [...(await decodeImage(grey, { decode: 'reference' })).data],
      threefold((v) => Math.min(v, 255)),
    );
  }
});

test('a picture is turned and mirrored as its EXIF orientation says, in every format that has one', async () => {
  // 3 x 2 pixels: a b c over d e f, each a grey of its own; wide blocks, so that JPEG keeps them apart.
  const greys = [10, 60, 110, 160, 210, 250];
  const block = 16;
  const pixels = new Uint8Array(3 * block * 2 * block * 3);
  for (let y = 0, at = 0; y < 2 * block; y++) {
    for (let x = 0; x < 3 * block; x++, at += 3) {
      pixels.fill(greys[3 * Math.floor(y / block) + Math.floor(x / block)], at, at + 3);
    }
  }
  const shown: [orientation: number, columns: number, order: number[]][] = [
    [1, 3, [0, 1, 2, 3, 4, 5]],
    [2, 3, [2, 1, 0, 5, 4, 3]],
    [3, 3, [5, 4, 3, 2, 1, 0]],
    [4, 3, [3, 4, 5, 0, 1, 2]],
    [5, 2, [0, 3, 1, 4, 2, 5]],
    [6, 2, [3, 0, 4, 1, 5, 2]],
    [7, 2, [5, 2, 4, 1, 3, 0]],
    [8, 2, [2, 5, 1, 4, 0, 3]],
  ];
  for (const format of ['jpeg', 'png', 'webp', 'tiff'] as const) {
    for (const [orientation, columns, order] of shown) {
      const bytes = await saved(pixels, 3 * block, 2 * block, 3)
        .withMetadata({ orientation })
        .toFormat(format, { quality: 100 })
        .toBuffer();
      const { data, width, height } = await decodeImage(bytes);
      assert.deepEqual([width, height], [columns * block, (6 / columns) * block], `${format} ${orientation}`);
      order.forEach((cell, i) => {
        const x = (i % columns) * block + block / 2;
        const y = Math.floor(i / columns) * block + block / 2;
        const off = Math.abs(data[3 * (y * width + x)] - greys[cell]);
        assert.ok(off <= 6, `${format}, orientation ${orientation}, cell ${i}: ${off} off`);
      });
      const reference = await decodeImage(bytes, { decode: 'reference' });
      assert.deepEqual([reference.width, reference.height], [3 * block, 2 * block]);
    }
  }
});

test('a CMYK picture is turned too', async () => {
  const bytes = await sharp(new Uint8Array(32 * 16 * 3).fill(120), {
    raw: { width: 32, height: 16, channels: 3 },
  })
    .toColourspace('cmyk')
    .withMetadata({ orientation: 6, icc: 'cmyk' })
    .jpeg()
    .toBuffer();
  assert.equal((await sharp(bytes).metadata()).space, 'cmyk');
  const { width, height } = await decodeImage(bytes);
  assert.deepEqual([width, height], [16, 32]);
});

test('what is transparent is put on white, whatever colour hides there; the reference drops alpha', async () => {
  const rgba = Uint8Array.of(200, 0, 0, 0, 200, 0, 0, 255, 100, 0, 50, 128);
  const blended = [255, 255, 255, 200, 0, 0, 177, 127, 152];
  const near = (actual: Uint8Array, expected: number[], name: string) => {
    assert.equal(actual.length, expected.length, name);
    actual.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]) <= 1, `${name}: ${[...actual]} for ${expected}`);
    });
  };
  const kinds = {
    png: await saved(rgba, 3, 1, 4).png().toBuffer(),
    webp: await saved(rgba, 3, 1, 4).webp({ lossless: true, exact: true }).toBuffer(),
    tiff: await saved(rgba, 3, 1, 4).tiff({ compression: 'lzw' }).toBuffer(),
    'png of 16 bits': await saved(
      Uint16Array.from(rgba, (v) => v * 257),
      3,
      1,
      4,
    )
      .toColourspace('rgb16')
      .png()
      .toBuffer(),
  };
  for (const [name, bytes] of Object.entries(kinds)) {
    near((await decodeImage(bytes)).data, blended, name);
    const reference = await decodeImage(bytes, { decode: 'reference' });
    near(reference.data, [200, 0, 0, 200, 0, 0, 100, 0, 50], name);
  }
  const grey = Uint8Array.of(40, 0, 40, 255);
  for (const [name, bytes] of Object.entries({
    'grey with alpha': await saved(grey, 2, 1, 2).toColourspace('b-w').png().toBuffer(),
    '16-bit grey with alpha': await saved(
      Uint16Array.from(grey, (v) => v * 257),
      2,
      1,
      2,
    )
      .toColourspace('grey16')
      .png()
      .toBuffer(),
  })) {
    near((await decodeImage(bytes)).data, [255, 255, 255, 40, 40, 40], name);
  }
  const sheer = Uint8Array.of(200, 0, 0, 0, 200, 0, 0, 255);
  for (const [name, bytes] of Object.entries({
    'palette png': await saved(sheer, 2, 1, 4).png({ palette: true }).toBuffer(),
    gif: await saved(sheer, 2, 1, 4).gif().toBuffer(),
  })) {
    near((await decodeImage(bytes)).data, [255, 255, 255, 200, 0, 0], name);
  }
});

test('the help fits what the file is', async () => {
  const cases: [name: string, bytes: Uint8Array | string, found: RegExp, help: RegExp][] = [
    ['page.jpg', '\n<!DOCTYPE html><html>', /^a web page, 22 bytes$/, /address of a page/],
    ['paper.png', '%PDF-1.7 and so on', /^a PDF/, /document/],
    ['phone.jpg', '\0\0\0\x18ftypheic\0\0\0\0mif1heic', /^a HEIC/, /heif-convert/],
    ['empty.jpg', '', /^an empty file$/, /the file is empty/],
    ['archive.jpg', 'PK\x03\x04rest', /^a zip archive/, /unpack/],
    ['drawing.png', '<svg xmlns="http://www.w3.org/2000/svg"/>', /^an SVG drawing/, /convert it to PNG/],
    ['notes.jpg', 'BM is how this text begins', /^text that starts with/, /not an image/],
    ['lfs.jpg', 'version https://git-lfs.github.com/spec/v1', /^a Git LFS pointer/, /git lfs pull/],
    ['cut.jpg', jpeg.subarray(0, 400), /premature end/, /cut short/],
    ['cut.png', png.subarray(0, 400), /premature end/, /cut short/],
  ];
  for (const [name, bytes, found, help] of cases) {
    const { details } = await failure(name, bytes);
    assert.match(details.found!, found);
    assert.match(details.help!, help, name);
    if (!name.startsWith('cut')) assert.doesNotMatch(details.help!, /cut short/);
  }
});

test('many broken images at once are each told apart', async () => {
  const damaged = Buffer.from(png);
  damaged[png.length >> 1] ^= 0x55;
  const broken = [jpeg.subarray(0, 400), png.subarray(0, 9000), damaged];
  const all = await Promise.all(
    Array.from({ length: 24 }, (_, i) => failure(`many_${i}.jpg`, broken[i % 3])),
  );
  for (const [i, { details }] of all.entries()) {
    assert.doesNotMatch(details.found!, /unknown error/i);
    assert.match(details.help!, i % 3 === 2 ? /damaged/ : /cut short/);
  }
});

test('a small file that claims a huge picture is refused, with its limit', async () => {
  const bomb = Buffer.from(png);
  bomb.writeUInt32BE(60_000, 16);
  bomb.writeUInt32BE(60_000, 20);
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
  const error = await failure('bomb.png', bomb);
  assert.match(error.message, /too large[\s\S]*178956970 pixels[\s\S]*make it smaller/);
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
