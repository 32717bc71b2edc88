import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { temporaryFolder } from '../support.js';
import { lavis } from './lavis.js';

const folder = temporaryFolder();
const photos = join(folder, 'some photos');

/** Pictures that are to be captioned, by their name: 40 x 30, of two colours. */
const picture = () =>
  sharp({ create: { width: 40, height: 30, channels: 3, background: { r: 200, g: 80, b: 30 } } }).composite([
    { input: { create: { width: 20, height: 15, channels: 3, background: 'navy' } }, left: 4, top: 4 },
  ]);
const KINDS: Record<string, () => Sharp> = {
  'plain.jpg': () => picture().jpeg(),
  'PROGRESSIVE.JPG': () => picture().jpeg({ progressive: true }),
  'four inks.jpeg': () => picture().toColourspace('cmyk').jpeg(),
  'sixteen bits.png': () => picture().toColourspace('rgb16').png(),
  'palette.png': () => picture().png({ palette: true, colours: 4 }),
  'see-through.png': () => picture().ensureAlpha(0.3).png(),
  'grey.png': () => picture().greyscale().png(),
  'web.webp': () => picture().webp(),
  'deep/er/new.avif': () => picture().avif(),
  'deep/moving.gif': () => picture().gif(),
  'scan.TIF': () => picture().tiff(),
  'größe 写真 🐕.jpg': () => picture().jpeg(),
  'two.dots.jpg': () => picture().jpeg(),
};
const zoo = ['--model', 'blip_caption', '--model-type', 'shapes', '--device', 'cpu', '--num-beams', '1'];
const BROKEN = ['broken.jpg', 'empty.png', 'cut.jpg', 'text.webp'];
const textOf = (name: string) => join(photos, name.replace(/\.[^.]+$/, '.txt'));

describe('lavis caption FOLDER --write txt --recursive, a folder with pictures of every kind', () => {
  const caption = (...more: string[]) =>
    lavis('caption', photos, '--write', 'txt', '--recursive', ...zoo, '--max-length', '12', ...more);

  before(async () => {
    for (const [name, make] of Object.entries(KINDS)) {
      mkdirSync(dirname(join(photos, name)), { recursive: true });
      await make().toFile(join(photos, name));
    }
    const whole = await picture().jpeg().toBuffer();
    writeFileSync(join(photos, 'broken.jpg'), whole.subarray(0, 20));
    writeFileSync(join(photos, 'empty.png'), '');
    writeFileSync(join(photos, 'cut.jpg'), whole.subarray(0, whole.length / 2));
    writeFileSync(join(photos, 'text.webp'), 'not a picture');
    writeFileSync(join(photos, 'notes.md'), 'a text\n');
    mkdirSync(join(photos, 'album.jpg'));
    writeFileSync(join(photos, 'album.jpg', 'inside.png'), await picture().png().toBuffer());
    symlinkSync('nowhere.jpg', join(photos, 'gone.jpg'));
  });

  it('captions each or names it, and its exit code says that some were passed over', async () => {
    const { code, stdout, stderr } = await caption();
    assert.equal(code, 1, stderr);
    assert.equal(stdout, '');
    for (const name of [...Object.keys(KINDS), 'album.jpg/inside.png']) {
      assert.match(readFileSync(textOf(name), 'utf8'), /^\S[^\n]*\n$/, name);
    }
    for (const name of BROKEN) {
      assert.match(stderr, new RegExp(`${name.replace('.', '\\.')} is passed over`));
      assert.ok(!existsSync(textOf(name)), name);
    }
    assert.match(stderr, /Left out: .*broken link/);
    assert.match(stderr, /Left out: .*\.md/);
    assert.match(stderr, /14 of 18 images captioned, 4 passed over/);
  });

  it('a second run tries what has no caption yet, and leaves the rest', async () => {
    const kept = Object.keys(KINDS).map((name) => readFileSync(textOf(name), 'utf8'));
    const { code, stderr } = await caption('--prefix', 'new, ');
    assert.equal(code, 1);
    assert.match(stderr, /14 have a caption already/);
    assert.deepEqual(
      Object.keys(KINDS).map((name) => readFileSync(textOf(name), 'utf8')),
      kept,
    );
    for (const name of BROKEN) rmSync(join(photos, name));
    const third = await caption();
    assert.equal(third.code, 0, third.stderr);
  });

  it('a caption that cannot be written where it belongs is told, and the others are written', async () => {
    const name = 'web.webp';
    rmSync(textOf(name));
    rmSync(textOf('plain.jpg'));
    mkdirSync(textOf(name));
    const { code, stderr } = await caption();
    assert.equal(code, 1);
    assert.match(stderr, /web\.webp is passed over: the caption that is there cannot be read\n.*web\.txt/);
    assert.match(stderr, /1 of 2 images captioned, 1 passed over/);
    assert.ok(existsSync(textOf('plain.jpg')));
    rmSync(textOf(name), { recursive: true });
  });

  it('a picture whose file may not be read is named, the others are captioned', {
    skip: process.getuid?.() === 0 && 'root may read every file',
  }, async () => {
    const locked = join(photos, 'locked.jpg');
    await picture().jpeg().toFile(locked);
    chmodSync(locked, 0);
    const { code, stderr } = await caption('--existing', 'overwrite');
    assert.equal(code, 1);
    assert.match(stderr, /locked\.jpg is passed over[\s\S]*EACCES/);
    assert.equal(readFileSync(textOf('plain.jpg'), 'utf8').length > 1, true);
  });
});
