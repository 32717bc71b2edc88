import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageRoot } from '#src/common/paths.js';
import type { FixtureImages } from '../cli/fixture_images.js';
import { temporaryFolder } from '../support.js';
import { FIXTURES, tinyServer } from './tiny_server.js';

const folder = temporaryFolder();
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');

interface Running {
  child: ChildProcess;
  url: string;
  token?: string;
  /** What it has printed for people. */
  log: () => string;
  ended: Promise<number | null>;
}

/** `lavis serve` as a program, once it is ready. */
async function started(...argv: string[]): Promise<Running> {
  const child = spawn(
    process.execPath,
    [join(packageRoot, 'bin/lavis.js'), 'serve', '--port', '0', ...argv],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const ended = new Promise<number | null>((done) => child.on('exit', done));
  while (!/Ctrl-C ends it/.test(err) && child.exitCode === null) {
    await new Promise((done) => setTimeout(done, 20));
  }
  const [, url] = /lavis serve is at (\S+)/.exec(out) ?? [];
  const [, token] = /Authorization: Bearer (\S+)/.exec(out) ?? [];
  return { child, url: url?.replace('0.0.0.0', '127.0.0.1'), token, log: () => err, ended };
}

const caption = (url: string, image: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/caption`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ image }),
  });

describe('lavis serve as a program', () => {
  let images: FixtureImages;
  let image: string;
  const running: ChildProcess[] = [];
  before(async () => {
    images = await FIXTURES.tiny_caption(folder);
    image = readFileSync(images.files[0]).toString('base64');
  });
  after(() => {
    for (const child of running) child.kill('SIGKILL');
  });
  const start = async (...argv: string[]) => {
    const server = await started(...images.common, ...argv);
    running.push(server.child);
    return server;
  };

  it('finishes what is in flight at SIGTERM, takes nothing new, and ends with 0', async () => {
    const { child, url, ended } = await start('--max-wait', '400');
    const asked = caption(url, image);
    await new Promise((done) => setTimeout(done, 150)); // it waits for others in the queue
    child.kill('SIGTERM');
    const answer = await asked;
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { captions: unknown[] }).captions.length, 1);
    assert.equal(await ended, 0);
    await assert.rejects(caption(url, image), /fetch failed/);
  });

  it('asks for the token that it printed where others can reach it', async () => {
    const { child, url, token, ended } = await start('--host', '0.0.0.0');
    assert.ok(token && token.length >= 32);
    const wrong = await caption(url, image);
    assert.equal(wrong.status, 401);
    assert.equal(wrong.headers.get('www-authenticate'), 'Bearer');
    assert.equal((await caption(url, image, { authorization: `Bearer ${token}x` })).status, 401);
    assert.equal((await caption(url, image, { authorization: `Bearer ${token}` })).status, 200);
    assert.equal((await fetch(`${url}/metrics`)).status, 401);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    child.kill('SIGINT');
    assert.equal(await ended, 0);
  });

  it('says what is wrong and ends where a model cannot be loaded', async () => {
    const { child, log, ended } = await started(
      ...images.common.map((word, i, all) =>
        all[i - 1] === '--checkpoint' ? join(folder, 'none.pth') : word,
      ),
    );
    running.push(child);
    assert.equal(await ended, 1);
    assert.match(log(), /none\.pth/);
    assert.doesNotMatch(log(), /\n {4}at /);
  });
});

describe('worker processes', () => {
  it('share the work, and one that is lost is replaced', async () => {
    const tiny = await tinyServer(join(folder, 'two'), { fixtures: ['tiny_caption'], workers: 2 });
    after(() => tiny.server.end());
    const ask = () => tiny.post('/v1/caption', { image: tiny.image('tiny_caption', 0) });
    const ready = async () => ((await (await fetch(`${tiny.url}/readyz`)).json()) as { ready: number }).ready;
    assert.equal(await ready(), 2);
    const [victim] = tiny.server.workerIds;
    process.kill(victim, 'SIGKILL');
    while ((await ready()) === 2) await new Promise((done) => setTimeout(done, 20));
    assert.equal((await ask()).status, 200); // by the other
    while ((await ready()) < 2) await new Promise((done) => setTimeout(done, 50));
    assert.ok(!tiny.server.workerIds.includes(victim));
    assert.equal((await ask()).status, 200);
  });

  it('a batch that takes too long is given up, and the next one is answered', async () => {
    const tiny = await tinyServer(join(folder, 'slow'), {
      fixtures: ['tiny_caption'],
      limits: { answerTime: 1000 },
    });
    after(() => tiny.server.end());
    const [worker] = tiny.server.workerIds;
    process.kill(worker, 'SIGSTOP'); // it hangs
    const answer = await tiny.post('/v1/caption', { image: tiny.image('tiny_caption', 0) });
    assert.equal(answer.status, 503);
    assert.ok(Number(answer.headers.get('retry-after')) >= 1);
    const { error } = (await answer.json()) as { error: { code: string } };
    assert.ok(['timeout', 'worker_lost'].includes(error.code));
    const wait = () => new Promise((done) => setTimeout(done, 50));
    while (tiny.server.workerIds[0] === worker) await wait();
    while ((await fetch(`${tiny.url}/readyz`)).status !== 200) await wait();
    assert.equal((await fetch(`${tiny.url}/healthz`)).status, 200);
  });
});

describe('many clients', () => {
  it('lose nothing: every request is answered, in batches; too many are told to come again', async () => {
    const tiny = await tinyServer(join(folder, 'many'), {
      fixtures: ['tiny_caption'],
      limits: { queue: 20 },
    });
    after(() => tiny.server.end());
    const images = [0, 1, 2].map((i) => tiny.image('tiny_caption', i));
    const textOf = async (answer: Response) =>
      ((await answer.json()) as { captions: { text: string }[] }).captions[0].text;
    const expected = await Promise.all(
      images.map(async (one) => textOf(await tiny.post('/v1/caption', { image: one }))),
    );
    const clients = Array.from({ length: 16 }, async (_, client) => {
      for (let i = 0; i < 4; i++) {
        const which = (client + i) % images.length;
        const answer = await tiny.post('/v1/caption', { image: images[which] });
        assert.equal(answer.status, 200);
        assert.equal(await textOf(answer), expected[which]); // figures differ in rounding with the batch
      }
    });
    await Promise.all(clients);
    const metrics = await (await fetch(`${tiny.url}/metrics`)).text();
    const figure = (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(metrics)![1]);
    const batches = figure('lavis_batch_size_count\\{use="caption"\\}');
    assert.equal(figure('lavis_batch_size_sum\\{use="caption"\\}'), 16 * 4 + images.length);
    assert.ok(batches < 16 * 4, `${batches} batches`);
    const flood = await Promise.all(
      Array.from({ length: 60 }, () => tiny.post('/v1/caption', { image: images[0], num_beams: 5 })),
    );
    const statuses = flood.map(({ status }) => status);
    assert.deepEqual([...new Set(statuses)].sort(), [200, 503]);
    const refused = flood.find(({ status }) => status === 503)!;
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'busy');
  });
});
