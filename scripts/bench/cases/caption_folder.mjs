/**
 * Captions a folder of many small pictures into text files, and tells the process's memory on the way: it must not grow with
 * the folder.
 *
 *     node scripts/bench/index.mjs caption_folder [--pictures 10000] [--at 1000,5000,10000]
 *
 * The model is the one of drawn scenes with random weights; nothing is fetched. Linux only (/proc).
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import sharp from 'sharp';

const { values: args } = parseArgs({
  options: {
    pictures: { type: 'string', default: '10000' },
    at: { type: 'string', default: '1000,5000,10000' },
  },
});
const count = Number(args.pictures);
const marks = args.at.split(',').map(Number);

const folder = mkdtempSync(join(tmpdir(), 'lavis-folder-'));
try {
  for (let i = 0; i < count; i++) {
    const part = join(folder, String(Math.floor(i / 1000)));
    if (i % 1000 === 0) mkdirSync(part);
    const background = { r: i % 256, g: (i >> 4) % 256, b: (i >> 8) % 256 };
    await sharp({ create: { width: 64, height: 64, channels: 3, background } })
      .jpeg()
      .toFile(join(part, `${i}.jpg`));
  }
  const argv = ['bin/lavis.js', 'caption', folder, '--write', 'txt', '--device', 'cpu', '--num-beams', '1'];
  const model = ['--model', 'blip_caption', '--model-type', 'shapes', '--max-length', '10'];
  const start = performance.now();
  const child = spawn(process.execPath, [...argv, ...model], { stdio: ['ignore', 'inherit', 'ignore'] });
  let ended = false;
  const code = new Promise((done) => child.once('exit', done));
  code.then(() => {
    ended = true;
  });
  const written = () =>
    readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.txt')).length;
  const memory = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  const peaks = [];
  let peak = 0;
  while (!ended) {
    peak = Math.max(peak, memory());
    const done = written();
    if (peaks.length < marks.length && done >= marks[peaks.length]) {
      peaks.push(peak);
      const seconds = (performance.now() - start) / 1000;
      console.log(`${done} pictures: ${peak.toFixed(0)} MB at most, ${seconds.toFixed(0)} s`);
    }
    await Promise.race([wait(500), code]);
  }
  console.log(
    `${written()} captions of ${count}, exit code ${await code}, ${((performance.now() - start) / 1000).toFixed(0)} s, ${peak.toFixed(0)} MB at most`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
