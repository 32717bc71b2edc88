import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { it } from 'node:test';
import { temporaryFolder } from '../support.js';

it('what README calls From code trains and captions as it stands, in a project that has installed lavis', () => {
  const project = temporaryFolder();
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(resolve('.'), join(project, 'node_modules', 'lavis'));
  for (const name of ['projects', 'docs']) symlinkSync(resolve(name), join(project, name));
  const code = /## From code\n+```ts\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))![1];
  // The same with fewer and smaller scenes: one epoch of 32 instead of two of 3000.
  const small = ['max_epoch=1', 'device=cpu'].map((option) => `'run.${option}'`);
  for (const scenes of ['train=32', 'val=4', 'test=4']) {
    small.push(`'datasets.shapes_caption.build_info.scenes.${scenes}'`);
  }
  assert.ok(code.includes("['run.max_epoch=2']"));
  writeFileSync(join(project, 'code.mjs'), code.replace("['run.max_epoch=2']", `[${small.join(', ')}]`));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['code.mjs'], {
    cwd: project,
    encoding: 'utf8',
    env: { ...process.env, LAVIS_CACHE_ROOT: join(project, 'cache') },
  });
  assert.equal(status, 0, stderr);
  const [scores, captions] = stdout.trim().split('\n').slice(-2);
  assert.match(scores, /\/output\/BLIP\/Caption_shapes\/\d+ \d\S* \d/);
  assert.match(captions, /^\[ \[ '/);
});
