import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { lavis } from '../end_to_end/lavis.js';
import { temporaryFolder } from '../support.js';
import { hostileRun } from './run_folder.js';

describe('lavis compare', () => {
  const parent = temporaryFolder();
  let a: string;
  const b = join(parent, 'second', 'job');

  before(async () => {
    a = await hostileRun(parent);
    cpSync(a, b, { recursive: true });
    const change = (name: string, from: RegExp, to: string) => {
      const text = readFileSync(join(b, name), 'utf8');
      assert.match(text, from);
      writeFileSync(join(b, name), text.replace(from, to));
    };
    change('run.json', /"value":42/, '"value":43');
    change('metrics.jsonl', /"CIDEr":1\.25/, '"CIDEr":1.5');
  });

  test('prints what differs in the configuration, and every number with its change', async () => {
    const { code, stdout } = await lavis('compare', a, b);
    assert.equal(code, 0);
    assert.match(stdout, /^ +output\/job +second\/job$/m);
    assert.match(stdout, /^configuration\n {2}run\.seed +42 +43\nnumbers$/m);
    assert.match(stdout, /^ {2}val CIDEr +1\.2500 +1\.5000 +\+0\.2500$/m);
    assert.match(stdout, /^ {2}val Bleu_4 +0\.2500 +0\.2500$/m);
  });

  test('prints JSON, and writes a page that loads nothing', async () => {
    const page = join(parent, 'both.html');
    const { stdout } = await lavis('compare', a, b, '--json', '--html', page);
    const { config, metrics } = JSON.parse(stdout);
    assert.deepEqual(config, [{ key: 'run.seed', a: 42, b: 43 }]);
    assert.deepEqual(metrics.find(({ name }: { name: string }) => name === 'val CIDEr').b, 1.5);
    const text = readFileSync(page, 'utf8');
    assert.doesNotMatch(text, /(?:src|href)="(?!data:)/);
    assert.match(text, /<code>43<\/code>/);
  });

  test('refuses a folder without a run', async () => {
    const { code, stderr } = await lavis('compare', a, join(parent, 'nowhere'));
    assert.equal(code, 1);
    assert.match(stderr, /^DataError: there is no run\n {2}where: .*nowhere/);
  });
});
