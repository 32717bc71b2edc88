/**
 * Milliseconds an image takes from JPEG bytes to the model's input, on one core, one image at a time:
 *
 *     node scripts/bench/index.mjs processors [--python /usr/bin/python3]
 *
 * Where Debian's python3-pil and python3-opencv are installed, the same work by Pillow and OpenCV stands
 * beside. Ends with one line of JSON, for scripts/bench/index.mjs.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { Rng } from '../../../dist/common/random.js';
import { decodeImage, loadImageProcessor } from '../../../dist/processors/index.js';
import { peakGb } from '../lib/machine.mjs';
import { photo } from '../lib/photos.mjs';

const { values: args } = parseArgs({
  options: {
    python: { type: 'string', default: '/usr/bin/python3' },
    image: { type: 'string', default: '384' },
    rounds: { type: 'string', default: '200' },
  },
});
const [size, rounds] = [args.image, args.rounds].map(Number);
// As in a worker of the loader, and as much as Pillow takes.
sharp.concurrency(1);
sharp.cache(false);

/** Milliseconds by the clock, and of processor time over all threads. */
async function time(name, run) {
  for (let i = 0; i < 100; i++) await run(i); // the compiler is done then
  const cpuStart = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < rounds; i++) await run(i);
  const ms = (performance.now() - start) / rounds;
  const { user, system } = process.cpuUsage(cpuStart);
  const cpuMs = (user + system) / 1000 / rounds;
  console.log(`${name.padEnd(32)}${ms.toFixed(2)} ms, ${cpuMs.toFixed(2)} ms of processor time`);
  return { ms, cpuMs };
}

const jpeg = await photo(1);
console.log(`640 x 480 JPEG of ${jpeg.length} bytes -> ${size} x ${size}`);
const pixels = await decodeImage(jpeg);
const evaluation = loadImageProcessor('blip_image_eval', { image_size: size });
const training = loadImageProcessor('blip_image_train', { image_size: size });
const ours = {
  decode: await time('decode', () => decodeImage(jpeg)),
  'eval, decoded': await time('eval, decoded', () => evaluation.apply(pixels)),
  'train, decoded': await time('train, decoded', (i) => training.apply(pixels, Rng.of(i))),
  eval: await time('eval', () => evaluation.process(jpeg)),
  train: await time('train', (i) => training.process(jpeg, Rng.of(i))),
  peakGb: peakGb(),
};

const folder = mkdtempSync(join(tmpdir(), 'lavis-bench-'));
writeFileSync(join(folder, 'image.jpg'), jpeg);
const script = fileURLToPath(new URL('processors.py', import.meta.url));
const parameters = [script, join(folder, 'image.jpg'), String(size), String(rounds)];
const { status, stdout } = spawnSync(args.python, parameters, { encoding: 'utf8' });
rmSync(folder, { recursive: true });
const lines = status === 0 ? stdout.trim().split('\n') : ['Pillow and OpenCV: not installed here', 'null'];
console.log(lines.slice(0, -1).join('\n'));
console.log(JSON.stringify({ ours, pillow: JSON.parse(lines.at(-1)) }));
