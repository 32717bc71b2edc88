/**
 * `lavis serve` under load: clients that each ask for one caption after the other.
 *
 *     node scripts/bench/index.mjs serve PICTURES [seconds=60] [clients=16] -- --cfg-path FILE …
 *
 * What stands behind `--` goes to `lavis serve`. Two runs: requests one by one (--max-batch 1), and in batches.
 * It fails where a request is lost. Memory is that of the server and its workers, at a quarter of the time and at its end.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const words = process.argv.slice(2);
const split = words.indexOf('--');
const [pictures, seconds = '60', clients = '16'] = split < 0 ? words : words.slice(0, split);
const served = split < 0 ? [] : words.slice(split + 1);
if (!pictures) {
  console.error(
    'a folder of pictures is needed: node scripts/bench/index.mjs serve PICTURES -- --cfg-path FILE',
  );
  process.exit(2);
}
const images = readdirSync(pictures)
  .filter((name) => /\.(jpe?g|png)$/i.test(name))
  .slice(0, 64)
  .map((name) => readFileSync(join(pictures, name)).toString('base64'));

const rows = [];
for (const maxBatch of [1, 16]) rows.push(await measure(maxBatch));
console.table(rows);
const gain = rows[1]['requests/s'] / rows[0]['requests/s'];
console.log(`batches answer ${gain.toFixed(2)} times as many requests a second`);
process.exit(rows.every(({ lost }) => lost === 0) ? 0 : 1);

async function measure(maxBatch) {
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('../../../bin/lavis.js', import.meta.url)),
      'serve',
      '--port',
      '0',
      '--max-batch',
      maxBatch,
      ...served,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  while (!/lavis serve is at/.test(out)) {
    if (child.exitCode !== null) process.exit(1);
    await sleep(50);
  }
  const [, url] = /is at (\S+)/.exec(out);
  await ask(url, images[0]); // whatever is made at the first request is made
  const [start, end] = [Date.now(), Date.now() + 1000 * Number(seconds)];
  const times = [];
  let lost = 0;
  let early;
  setTimeout(() => {
    early = megabytes(child.pid);
  }, 250 * Number(seconds));
  const client = async (place) => {
    for (let i = place; Date.now() < end; i++) {
      const asked = performance.now();
      if ((await ask(url, images[i % images.length])) === 200) times.push(performance.now() - asked);
      else lost++;
    }
  };
  await Promise.all(Array.from({ length: Number(clients) }, (_, place) => client(place)));
  const took = (Date.now() - start) / 1000;
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const figure = (name) => Number(new RegExp(`^${name}\\{use="caption"\\} (\\S+)`, 'm').exec(metrics)[1]);
  const late = megabytes(child.pid);
  child.kill('SIGTERM');
  const code = await new Promise((done) => child.on('exit', done));
  times.sort((a, b) => a - b);
  return {
    'max batch': maxBatch,
    requests: times.length,
    lost: lost + (code === 0 ? 0 : 1),
    'requests/s': Number((times.length / took).toFixed(2)),
    'mean batch': Number((figure('lavis_batch_size_sum') / figure('lavis_batch_size_count')).toFixed(2)),
    'median ms': Math.round(times[times.length >> 1]),
    'p95 ms': Math.round(times[Math.floor(times.length * 0.95)]),
    'MB at 1/4': early,
    'MB at end': late,
  };
}

async function ask(url, image) {
  try {
    const answer = await fetch(`${url}/v1/caption`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image }),
    });
    await answer.text();
    return answer.status;
  } catch (thrown) {
    console.error(String(thrown.cause ?? thrown));
    return 0;
  }
}

/** Memory of a process and its children. */
function megabytes(pid) {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,rss='], { encoding: 'utf8' }).trim().split('\n');
  const all = lines.map((line) => line.trim().split(/\s+/).map(Number));
  return Math.round(
    all.filter(([own, parent]) => own === pid || parent === pid).reduce((sum, [, , kb]) => sum + kb, 0) /
      1000,
  );
}

function sleep(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}
