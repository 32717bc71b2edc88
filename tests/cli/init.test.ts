import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support.js';

const bin = resolve('bin/lavis.js');

test('a project that lavis init writes trains as it stands, and is not written over', () => {
  const folder = temporaryFolder();
  const project = join(folder, 'mine');
  const lavis = (cwd: string, ...argv: string[]) =>
    spawnSync(process.execPath, [bin, ...argv], { cwd, encoding: 'utf8' });

  assert.equal(lavis(folder, 'init', 'mine').status, 0);
  assert.deepEqual(readdirSync(project).sort(), ['captions.csv', 'images', 'run.yaml']);
  const rows = readFileSync(join(project, 'captions.csv'), 'utf8').trim().split('\n').slice(1);
  for (const row of rows) assert.ok(existsSync(join(project, 'images', row.split(',')[0])), row);

  const trained = lavis(project, 'train', '--cfg-path', 'run.yaml', '--options', 'run.max_epoch=1');
  assert.equal(trained.status, 0, trained.stderr);
  assert.match(trained.stdout, /CIDEr/);

  const again = lavis(folder, 'init', 'mine');
  assert.equal(again.status, 1);
  assert.match(again.stderr, /mine is not empty/);
});
