import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { curves, tiles } from '#src/reports/pages/curves.js';
import { writeReport } from '#src/reports/pages/report_page.js';
import type { RunData } from '#src/reports/read_run.js';
import type { MetricsLine } from '#src/runners/index.js';
import { temporaryFolder } from '../support.js';

/** Two epochs; in the second, the score is better and the loss is not. */
function runOf(losses: boolean, primary = 'CIDEr'): RunData {
  const lines = [1, 2].flatMap((epoch): MetricsLine[] => [
    { kind: 'step', epoch: epoch - 1, iteration: 5 * epoch, time: epoch, loss: 3 - epoch },
    {
      ...{ kind: 'evaluation', epoch: epoch - 1, iteration: 5 * epoch, time: epoch, split: 'val' },
      ...(primary === 'CIDEr' && { CIDEr: epoch }),
      ...(losses && { loss: 2 + epoch / 8 }),
      ...(epoch === 1 && { best: true }),
    },
  ]);
  const record = {
    ...{ started: '2026-12-01T12:00:00Z', command: [], resumed: false, config: [], environment: {} },
    ...{ parameters: 1, unit: 'epoch', metrics: { primary, shown: [] } },
  };
  return { folder: '/runs/output/job', name: 'output/job', config: [], lines, record };
}

async function reportOf({ lines, record }: RunData): Promise<string> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record));
  return readFileSync(await writeReport(folder), 'utf8');
}

const titles = (run: RunData) =>
  [...curves(run).text.matchAll(/<figcaption><b>([^<]*)/g)].map(([, title]) => title);

it('the loss of a valid split is drawn beside that of training, and stands among scores and tiles', async () => {
  const run = runOf(true);
  assert.deepEqual(titles(run).slice(0, 2), ['Loss', 'CIDEr']);
  assert.match(curves(run).text, />train [\s\S]*>val /);
  assert.match(tiles(run).text, /<dt>val loss<\/dt><dd>2\.1250<\/dd>/);
  const page = await reportOf(run);
  assert.match(page, /<dt>its loss, val<\/dt><dd>2\.1250<\/dd>/);
  assert.match(page, /<th class="n">loss<\/th>/);
});

it('without one, the charts are as ever', () => {
  assert.deepEqual(titles(runOf(false)).slice(0, 2), ['Training loss', 'CIDEr']);
  assert.doesNotMatch(tiles(runOf(false)).text, /val loss/);
});

it('where a loss is the only score, it has one chart and one tile', async () => {
  const run = runOf(true, 'loss');
  assert.deepEqual(
    titles(run).filter((title) => /loss/i.test(title)),
    ['Loss'],
  );
  assert.equal(
    (await reportOf(run)).match(/2\.125\b|2\.1250/g)?.length,
    3,
    'a point of the chart, a tile, the table',
  );
});
