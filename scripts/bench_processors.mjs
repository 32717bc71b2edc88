/**
 * Milliseconds an image takes from JPEG bytes to the model's input: `node scripts/bench_processors.mjs`.
 * One 640 x 480 JPEG, 384 pixels a side, one core. Where Debian's python3-pil and python3-opencv are
 * installed, the same work by Pillow and OpenCV stands beside.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Rng } from '../dist/common/random.js';
import { decodeImage, loadImageProcessor } from '../dist/processors/index.js';

const [WIDTH, HEIGHT, SIZE, ROUNDS] = [640, 480, 384, 200];

/** Clouds of several scales and a little noise: about as hard to decode as a photo (160 kB). */
async function picture() {
  const rng = Rng.of(1);
  const layers = [];
  for (const size of [4, 16, 64, 256]) {
    const data = Uint8Array.from({ length: size * size * 3 }, () => rng.int(256));
    const raw = { width: size, height: size, channels: 3 };
    layers.push(await sharp(data, { raw }).resize(WIDTH, HEIGHT, { fit: 'fill' }).raw().toBuffer());
  }
  const weights = [0.5, 0.3, 0.15, 0.05];
  const mixed = Uint8Array.from(layers[0], (_, i) =>
    weights.reduce((sum, w, k) => sum + w * layers[k][i], 0),
  );
  const raw = { width: WIDTH, height: HEIGHT, channels: 3 };
  return sharp(mixed, { raw }).jpeg({ quality: 95, chromaSubsampling: '4:2:0' }).toBuffer();
}

async function time(name, run) {
  for (let i = 0; i < 30; i++) await run(i);
  const start = performance.now();
  for (let i = 0; i < ROUNDS; i++) await run(i);
  console.log(`${name.padEnd(28)}${((performance.now() - start) / ROUNDS).toFixed(2)} ms`);
}

const jpeg = await picture();
console.log(`${WIDTH} x ${HEIGHT} JPEG of ${jpeg.length} bytes -> ${SIZE} x ${SIZE}`);
const pixels = await decodeImage(jpeg);
const evaluation = loadImageProcessor('blip_image_eval', { image_size: SIZE });
const training = loadImageProcessor('blip_image_train', { image_size: SIZE });
await time('decode', () => decodeImage(jpeg));
await time('eval, decoded', () => evaluation.apply(pixels));
await time('train, decoded', (i) => training.apply(pixels, Rng.of(i)));
await time('eval', () => evaluation.process(jpeg));
await time('train', (i) => training.process(jpeg, Rng.of(i)));

const folder = mkdtempSync(join(tmpdir(), 'lavis-bench-'));
writeFileSync(join(folder, 'image.jpg'), jpeg);
const script = new URL('bench_processors.py', import.meta.url).pathname;
const args = [script, join(folder, 'image.jpg'), String(SIZE), String(ROUNDS)];
const { status, stdout } = spawnSync('/usr/bin/python3', args, { encoding: 'utf8' });
console.log(status === 0 ? stdout.trimEnd() : 'Pillow and OpenCV: not installed here');
rmSync(folder, { recursive: true });
