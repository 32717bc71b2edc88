import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support.js';
import { drawPhotos } from './photos.js';

const page = readFileSync('docs/fine-tune-your-photos.md', 'utf8');
const blocks = (language: string) =>
  [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, text]) =>
    name === language ? [text] : [],
  );

/** Without downloads: the toy model in place of BLIP base, at its size. */
const TOY = [
  'model.model_type=shapes',
  'run.max_epoch=1',
  'datasets.custom_caption.vis_processor.train.image_size=64',
  'datasets.custom_caption.vis_processor.eval.image_size=64',
];

test('the tutorial works as it stands, command by command', { timeout: 300_000 }, async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'photos'));
  const photos = await drawPhotos(join(folder, 'photos'), 12);
  const [header] = blocks('csv')[0].split('\n');
  const rows = photos.map(({ name, caption }) => `${name},${caption}`);
  writeFileSync(join(folder, 'captions.csv'), [header, ...rows].join('\n'));
  writeFileSync(join(folder, 'photos.yaml'), blocks('yaml')[0]);

  const printed = new Map<string, string>();
  const commands = blocks('sh').flatMap((block) => block.trim().split('\n'));
  for (const command of commands) {
    const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
    assert.equal(words.shift(), 'lavis', command);
    const run = spawnSync(process.execPath, [resolve('bin/lavis.js'), ...words, '--options', ...TOY], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, `${command}\n${run.stderr}`);
    printed.set(command, run.stdout);
  }
  const said = (start: string) => [...printed].find(([command]) => command.startsWith(start))![1];
  assert.match(said('lavis train --cfg-path photos.yaml'), /memory|CIDEr/);
  assert.match(printed.get('lavis train --cfg-path photos.yaml')!, /CIDEr/);
  assert.equal(said('lavis caption photos ').trim().split('\n').length, 12);
  assert.ok(existsSync(join(folder, 'contact_sheet.png')));
  const [job] = readdirSync(join(folder, 'output'));
  assert.ok(existsSync(join(folder, 'output', job, 'checkpoint_best.pth')));
});

test('every page that the documentation points to is there', () => {
  for (const file of readdirSync('docs').filter((name) => name.endsWith('.md'))) {
    const text = readFileSync(join('docs', file), 'utf8');
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
      assert.ok(existsSync(resolve('docs', target)), `${file} points to ${target}`);
    }
  }
});
