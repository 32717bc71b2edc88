import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Rng } from '#src/common/random.js';
import { CustomCaptionBuilder, type Dataset } from '#src/datasets/index.js';
import { comparePage, compareRuns, readRun, writeReport } from '#src/reports/index.js';
import { watchServer } from '#src/reports/watch_server.js';
import { temporaryFolder } from '../support.js';
import { Browser, type Page } from './browser.js';
import { noChromium } from './chromium.js';
import { HOSTILE, hostileRun, writeJson } from './run_folder.js';

const marksOf = (folder: string) =>
  readFileSync(join(folder, 'marks.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('marks on the live page', () => {
  const parent = temporaryFolder();
  let folder: string;
  let server: Server;
  let url: string;
  before(async () => {
    folder = await hostileRun(parent);
    server = watchServer(folder);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  const post = (body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${url}/marks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const mark = { split: 'val', id: '1', mark: 'good', correction: '' };

  it('are kept in the run folder, the newest of each sample counts', async () => {
    assert.equal((await post(mark)).status, 200);
    assert.equal(
      (await post({ ...mark, mark: 'bad', correction: ' a red  wall,\nand "more" ' })).status,
      200,
    );
    const [first, second] = marksOf(folder);
    assert.deepEqual([first.mark, first.said, first.correction], ['good', 'a red wall', undefined]);
    assert.deepEqual([second.mark, second.correction], ['bad', 'a red wall, and "more"']);
    const page = await (await fetch(`${url}/evaluated`)).text();
    assert.match(page, /data-id="1"[^>]* data-mark="bad" data-correction="a red wall, and &quot;more&quot;"/);
    assert.match(readFileSync(await writeReport(folder), 'utf8'), /data-id="1"[^>]* data-mark="bad"/);
  });

  it('corrected captions are a table that trains the next run', async () => {
    const csv = await (await fetch(`${url}/corrections.csv`)).text();
    const photo = join(folder, 'photos', 'a.png');
    assert.equal(csv, `image,caption\n${photo},"a red wall, and ""more"""\n`);
    const table = join(folder, 'corrections.csv');
    writeFileSync(table, csv);
    const build_info = { annotations: { train: { storage: table } }, images: { storage: folder } };
    const { train } = await CustomCaptionBuilder.fromConfig({ build_info }).buildDatasets();
    const { text_input, image } = await (train as Dataset).get(0, Rng.of(0));
    assert.equal(text_input, 'a red wall, and "more"');
    assert.ok(image);
  });

  it('are taken of what was evaluated alone, from this page alone, and are what they should be', async () => {
    const cases: [unknown, number, Record<string, string>?][] = [
      [{ ...mark, id: '../../1' }, 404],
      [{ ...mark, split: 'other' }, 404],
      [{ ...mark, mark: 'great' }, 400],
      [{ ...mark, path: '/etc/passwd' }, 400],
      ['{', 400],
      ['x'.repeat(100_000), 413],
      [mark, 415, { 'content-type': 'text/plain' }],
      [mark, 403, { origin: 'https://elsewhere.example' }],
    ];
    const before = marksOf(folder).length;
    for (const [body, status, headers] of cases)
      assert.equal((await post(body, headers)).status, status, String(body));
    assert.equal(marksOf(folder).length, before);
    assert.equal((await fetch(`${url}/photo`, { method: 'POST' })).status, 405);
  });

  it('escapes what a run says', async () => {
    const page = await (await fetch(`${url}/evaluated`)).text();
    assert.ok(!page.includes(HOSTILE));
    assert.doesNotMatch(page, /<img src=x/);
  });
});

describe('looking through evaluated samples in a browser', { skip: noChromium }, () => {
  const parent = temporaryFolder();
  let folder: string;
  let server: Server;
  let url: string;
  let browser: Browser;
  before(async () => {
    folder = await hostileRun(parent);
    server = watchServer(folder);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = new Browser();
  });
  after(async () => {
    await browser.close();
    server.close();
  });

  const shown = (page: Page) =>
    page.evaluate<string[]>(
      '[...document.querySelectorAll(".judged tbody tr:not([hidden])")].map(({ dataset }) => dataset.said)',
    );
  const set = (page: Page, place: number, value: string) =>
    page.evaluate(`{
      const control = document.querySelectorAll('.tools :is(input, select)')[${place}];
      control.value = ${JSON.stringify(value)};
      control.dispatchEvent(new Event('input'));
    }`);
  const press = (page: Page, row: number, text: string) =>
    page.evaluate(`[...document.querySelectorAll('.judged tbody tr:not([hidden])')[${row}].querySelectorAll('button')]
      .find(({ textContent }) => textContent === ${JSON.stringify(text)}).click()`);

  it('filters by words and score, and sorts', async () => {
    const page = await browser.open(`${url}/evaluated`);
    assert.deepEqual(await shown(page), ['a cat', HOSTILE, 'a red wall']);
    await set(page, 3, 'best');
    assert.deepEqual(await shown(page), ['a red wall', HOSTILE, 'a cat']);
    await set(page, 0, 'red wall');
    assert.deepEqual(await shown(page), ['a red wall']);
    await set(page, 0, '');
    await set(page, 2, '0.6');
    assert.deepEqual(await shown(page), [HOSTILE, 'a cat']);
    assert.match(await page.text('.tools output'), /2 of 3/);
    assert.deepEqual(await page.seriousFaults(), []);
    assert.notEqual(await page.evaluate('document.title'), 'broken');
  });

  it('marks and corrects; the run folder has it', async () => {
    const page = await browser.open(`${url}/evaluated`);
    await press(page, 0, 'Bad');
    await page.until('document.querySelector("[aria-pressed=true]")?.textContent === "Bad"');
    await press(page, 0, 'Correct …');
    await page.evaluate('document.querySelector(".verdict textarea").value = "a line"');
    await press(page, 0, 'Keep');
    await page.until('document.querySelector(".correction")');
    await set(page, 4, 'corrected');
    assert.deepEqual(await shown(page), ['a cat']);
    const { id, mark, correction } = marksOf(folder).at(-1);
    assert.deepEqual([id, mark, correction], ['drawing', 'bad', 'a line']);
  });

  it('a report keeps marks in the browser, and hands them out as files', async () => {
    const page = await browser.open(pathToFileURL(await writeReport(folder)).href, {
      width: 390,
      phone: true,
      dark: true,
    });
    await press(page, 2, 'Good');
    await page.until('document.querySelectorAll("[aria-pressed=true]").length >= 1');
    await page.evaluate(`window.made = []; const plain = URL.createObjectURL;
      URL.createObjectURL = (blob) => { window.made.push(blob); return plain.call(URL, blob); }; undefined`);
    await page.evaluate(
      `[...document.querySelectorAll('.tools button')].forEach((button) => button.click())`,
    );
    const [lines, table] = await page.evaluate<string[]>(
      'Promise.all(window.made.map((blob) => blob.text()))',
    );
    assert.ok(lines.split('\n').some((line) => line && JSON.parse(line).said === 'a red wall'));
    assert.match(table, /^image,caption\n/);
    assert.match(table, /drawing\.svg","a line"/);
    assert.deepEqual(await page.seriousFaults(), []);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
    const again = await browser.open(pathToFileURL(join(folder, 'report.html')).href);
    assert.equal(await again.evaluate('document.querySelector("tr[data-id=\\"1\\"]").dataset.mark'), 'good');
  });

  it('two runs stand beside each other, those furthest apart first', async () => {
    const other = await hostileRun(temporaryFolder());
    writeJson(other, 'shown/val_epoch0.json', {
      score: 'CIDEr',
      samples: [
        { id: 1, files: [], said: 'a blue wall', references: ['a red wall'], score: 0.1 },
        { id: 'drawing', files: [], said: 'a cat', references: ['a line'], score: 0 },
      ],
    });
    const [a, b] = [await readRun(folder), await readRun(other)];
    const file = join(folder, 'both.html');
    writeFileSync(file, await comparePage(a, b, compareRuns(a, b)));
    const page = await browser.open(pathToFileURL(file).href);
    assert.deepEqual(await shown(page), ['a red wall', 'a cat']);
    assert.match(
      await page.text('.judged tbody tr'),
      /1\.500[\s\S]*a red wall[\s\S]*0\.100[\s\S]*a blue wall/,
    );
    await set(page, 4, 'differ');
    assert.deepEqual(await shown(page), ['a red wall']);
    assert.deepEqual(await page.seriousFaults(), []);
  });

  it('the live page has nothing serious for axe, on a screen and on a phone', async () => {
    for (const size of [{}, { width: 390, height: 844, phone: true, dark: true }]) {
      const page = await browser.open(`${url}/`, size);
      await page.until('document.documentElement.dataset.ready');
      assert.deepEqual(await page.seriousFaults(), []);
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), size.width ?? 1280);
    }
  });
});

it('no mark is written before there is one', async () => {
  const folder = await hostileRun(temporaryFolder());
  await writeReport(folder);
  assert.equal(existsSync(join(folder, 'marks.jsonl')), false);
});
