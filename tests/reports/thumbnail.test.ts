import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { thumbnail } from '#src/reports/pages/thumbnail.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

/** The first pixel, and the size, of a thumbnail. */
async function shown(name: string, bytes: Uint8Array) {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  const small = await thumbnail(path, 64);
  if (!small) return undefined;
  const { data, info } = await sharp(small).raw().toBuffer({ resolveWithObject: true });
  return { size: [info.width, info.height], pixel: [...data.subarray(0, 3)] };
}

test('pages show pictures as the model sees them: turned, on white, BMP too; nothing of what is not one', async () => {
  const wide = { create: { width: 40, height: 20, channels: 4 as const, background: '#c0000000' } };
  const turned = await shown(
    'turned.png',
    await sharp(wide).withMetadata({ orientation: 6 }).png().toBuffer(),
  );
  assert.deepEqual(turned, { size: [20, 40], pixel: [255, 255, 255] });

  const bmp = Buffer.alloc(58);
  bmp.write('BM');
  bmp.writeUInt32LE(54, 10);
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(1, 18);
  bmp.writeInt32LE(1, 22);
  bmp.writeUInt16LE(24, 28);
  bmp.set([200, 200, 200], 54);
  assert.deepEqual(await shown('grey.bmp', bmp), { size: [1, 1], pixel: [200, 200, 200] });

  assert.equal(
    await shown('drawing.png', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')),
    undefined,
  );
});
