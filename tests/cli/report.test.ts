import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { writeReport } from '#src/reports/index.js';
import { readRun } from '#src/reports/read_run.js';
import { temporaryFolder } from '../support.js';
import { noChromium, renderedDocument } from './chromium.js';
import { hostileRun } from './run_folder.js';

describe('report.html', () => {
  const parent = temporaryFolder();
  let path: string;
  let page: string;

  before(async () => {
    path = await writeReport(await hostileRun(parent));
    page = readFileSync(path, 'utf8');
  });

  test('lists the images worst first, with caption, references and CIDEr', () => {
    const rows = [...page.matchAll(/<tr data-id=.*?<\/tr>/gs)].map(([row]) => row);
    assert.equal(rows.length, 3);
    const ciders = rows.map((row) => Number(/<td class="n">([\d.]+)</.exec(row)?.[1]));
    assert.deepEqual(
      ciders,
      [...ciders].sort((a, b) => a - b),
    );
    assert.match(rows[2], /<b>a red wall<\/b>.*<li>a red wall<\/li>/s);
    assert.match(rows[2], /<img class="thumb" src="data:image\/jpeg;base64,/);
  });

  test('tells the configuration with its origins, the scores and the environment', () => {
    assert.match(page, /<tr class="given"><td><code>model\.prompt<\/code>/);
    assert.match(page, /1 value from the defaults.*run\.seed.*configs\/default\.yaml:1:1 \(default\)/s);
    assert.match(page, /<td class="n">1\.2500<\/td>/);
    assert.match(page, /<h2>Environment<\/h2>/);
  });

  test('loads nothing, and nothing of a hostile text is markup', () => {
    assert.doesNotMatch(page, /(?:src|href)="(?!data:)/);
    assert.doesNotMatch(page, /@import|url\(/);
    assert.doesNotMatch(page, /<img src=x/);
    assert.equal(page.match(/<script/g)?.length, 1);
  });

  test('is drawn by a browser under its own policy', { skip: noChromium }, async () => {
    const drawn = await renderedDocument(pathToFileURL(path).href, 500);
    assert.match(drawn, /<title>output\/job · report<\/title>/);
    assert.doesNotMatch(drawn, /<img src="x"/);
  });

  test('shows the values under the pointer', { skip: noChromium }, async () => {
    const pointed = join(parent, 'pointed.html');
    const move = `const svg = document.querySelector('figure.chart svg'), box = svg.getBoundingClientRect();
      const at = { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
      svg.dispatchEvent(new PointerEvent('pointermove', at));`;
    // the page's own policy would not let the test's script in
    const open = page
      .replace(/<meta http-equiv[^>]*>/, '')
      .replace('</body>', `<script>${move}</script></body>`);
    writeFileSync(pointed, open);
    const drawn = await renderedDocument(pathToFileURL(pointed).href, 500);
    assert.match(drawn, /<figure class="chart read"/);
    const [, step, loss] = /<span class="key">step (\d+)<\/span><span class="key c0">([\d.]+)</.exec(drawn)!;
    assert.ok(Number(step) > 10 && Number(step) < 30, step);
    assert.equal(Number(loss), Number((4 / Number(step)).toPrecision(4)));
  });
});

test("a folder of LAVIS's own is read: configuration over several lines, epochs and scores", async () => {
  const folder = join(temporaryFolder(), 'lavis', '20230101');
  mkdirSync(folder, { recursive: true });
  const config = JSON.stringify(
    { run: { max_epoch: 2, seed: 42 }, model: { arch: 'blip_caption' } },
    null,
    4,
  );
  writeFileSync(
    join(folder, 'log.txt'),
    `${config}\n{"train_lr": "0.000", "train_loss": "2.500"}\n` +
      '{"val_CIDEr": 1.1, "val_agg_metrics": 1.4, "val_best_epoch": 0}\n' +
      '{"train_lr": "0.000", "train_loss": "2.000"}\n{"test_CIDEr": 1.2, "test_agg_metrics": 1.5}\n',
  );
  const run = await readRun(folder);
  assert.deepEqual(run.config, [
    { key: 'run.max_epoch', value: 2 },
    { key: 'run.seed', value: 42 },
    { key: 'model.arch', value: 'blip_caption' },
  ]);
  assert.deepEqual(
    run.lines.map(({ kind, split, label, iteration, loss, CIDEr }) => [
      kind,
      split,
      label,
      iteration,
      loss ?? CIDEr,
    ]),
    [
      ['epoch', undefined, undefined, 1, 2.5],
      ['evaluation', 'val', 0, 1, 1.1],
      ['epoch', undefined, undefined, 2, 2],
      ['evaluation', 'test', 'best', 2, 1.2],
    ],
  );
  assert.match(readFileSync(await writeReport(folder), 'utf8'), /<dt>best CIDEr, val<\/dt><dd>1\.100<\/dd>/);
});
