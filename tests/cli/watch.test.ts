import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import { findRun } from '#src/reports/read_run.js';
import { watchServer } from '#src/reports/watch_server.js';
import { temporaryFolder } from '../support.js';
import { noChromium, renderedDocument } from './chromium.js';
import { HOSTILE, hostileRun } from './run_folder.js';

describe('lavis watch', () => {
  const parent = temporaryFolder();
  let folder: string;
  let server: Server;
  let url: string;

  before(async () => {
    folder = await hostileRun(parent);
    server = watchServer(await findRun(parent));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  const photo = (split: string, id: string) => fetch(`${url}/photo?${new URLSearchParams({ split, id })}`);

  test('sends the parts of the page, and 304 until the run writes again', async () => {
    const first = await fetch(`${url}/state`);
    const parts = (await first.json()) as Record<string, string>;
    assert.match(parts.tiles, /<dt>best CIDEr<\/dt><dd>1\.250<\/dd>/);
    assert.match(parts.tiles, /<dt>time left<\/dt><dd>0:01:15<\/dd>/);
    assert.match(parts.status, /running/);
    assert.match(parts.samples, /a red wall/);
    const headers = { 'if-none-match': first.headers.get('etag')! };
    assert.equal((await fetch(`${url}/state`, { headers })).status, 304);
    appendFileSync(
      join(folder, 'metrics.jsonl'),
      '{"kind":"end","epoch":2,"iteration":40,"time":1767261700}\n',
    );
    const next = await fetch(`${url}/state`, { headers });
    assert.match(((await next.json()) as Record<string, string>).status, /finished/);
  });

  test('escapes captions, references, ids and names of scores', async () => {
    const parts = (await (await fetch(`${url}/state`)).json()) as Record<string, string>;
    const all = Object.values(parts).join('') + (await (await fetch(url)).text());
    assert.match(all, /&lt;img src=x onerror=&quot;/);
    assert.doesNotMatch(all, /<img src=x/);
    assert.doesNotMatch(all, /<\/script><script>document/);
  });

  test('sends photos of the evaluated images by their ids, made anew and small', async () => {
    const answer = await photo('val', '1');
    assert.equal(answer.headers.get('content-type'), 'image/jpeg');
    const { format, width } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata();
    assert.deepEqual([format, width], ['jpeg', 320]);
  });

  test('sends no other file: other ids, paths, text and drawings that the run names', async () => {
    const asked: [string, string][] = [
      ['val', '2'],
      ['val', '../photos/a.png'],
      ['val', HOSTILE],
      ['val', 'drawing'],
      ['../shown/val_epoch0', '1'],
      ['..%2Frun', '1'],
      ['', '1'],
      ['constructor', '1'],
    ];
    for (const [split, id] of asked) assert.equal((await photo(split, id)).status, 404, `${split} ${id}`);
    for (const path of ['/run.json', '/../run.json', '/%2e%2e/run.json', '/photos/a.png', '/metrics.jsonl']) {
      assert.equal((await fetch(url + path)).status, 404, path);
    }
  });

  test('answers to its own names alone, reads only, and lets the page load nothing from elsewhere', async () => {
    const status = await new Promise<number | undefined>((done) => {
      request(`${url}/state`, { headers: { host: 'elsewhere.example' } }, (answer) => {
        answer.resume();
        done(answer.statusCode);
      }).end();
    });
    assert.equal(status, 403);
    assert.equal((await fetch(`${url}/state`, { method: 'POST' })).status, 405);
    const policy = (await fetch(url)).headers.get('content-security-policy');
    assert.match(policy!, /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';/);
  });

  test('is drawn by a browser: curves, tiles and photos, no hostile text at work', {
    skip: noChromium,
  }, async () => {
    const page = await renderedDocument(`${url}/`);
    assert.match(page, /<html[^>]* data-ready="yes"/);
    assert.match(page, /<title>output\/job · lavis watch<\/title>/);
    assert.match(page, /<path class="line c0[^"]*" d="M[\d.]+ [\d.]+L/);
    assert.match(page, /<dd>1\.250<\/dd>/);
    assert.match(page, /<img src="\/photo\?split=val&amp;id=1&amp;place=0"/);
    assert.doesNotMatch(page, /<img src="x"/);
    assert.doesNotMatch(page, /class="lost"/);
  });
});

test('a folder without a run is refused with what was looked for', async () => {
  const empty = temporaryFolder();
  await assert.rejects(
    findRun(empty),
    /there is no run\n {2}where: .*\n {2}found: .*no folder with metrics\.jsonl/,
  );
  await assert.rejects(findRun(join(empty, 'nowhere')), /no such folder/);
});
