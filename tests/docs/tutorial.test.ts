import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { Config } from '#src/index.js';
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
  writeFileSync(join(folder, 'photos', 'captions.csv'), [header, ...rows].join('\n'));

  const printed = new Map<string, string>();
  const commands = blocks('sh').flatMap((block) => block.trim().split('\n'));
  for (const command of commands) {
    const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
    assert.equal(words.shift(), 'lavis', command);
    const toy = words[0] === 'init' ? [] : [...(words.includes('--options') ? [] : ['--options']), ...TOY];
    const run = spawnSync(process.execPath, [resolve('bin/lavis.js'), ...words, ...toy], {
      cwd: folder,
      env: { ...process.env, LAVIS_CACHE_ROOT: join(folder, 'cache') },
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, `${command}\n${run.stderr}`);
    printed.set(command, run.stdout);
  }
  assert.match(printed.get('lavis train --cfg-path my-run/run.yaml')!, /CIDEr/);
  assert.equal(printed.get('lavis caption photos --cfg-path my-run/run.yaml')!.trim().split('\n').length, 12);
  assert.ok(existsSync(join(folder, 'contact_sheet.png')));
  const [job] = readdirSync(join(folder, 'output'));
  assert.ok(readdirSync(join(folder, 'output', job)).some((name) => /^(checkpoint|adapter)_best/.test(name)));
  for (const name of ['photos/0.caption', 'photos/0.jpg.xmp', 'words.txt'])
    assert.ok(existsSync(join(folder, name)), name);
});

test('the keys that the tutorial shows for another language are keys', async () => {
  const [section] = blocks('yaml');
  const keys = [...section.matchAll(/^ {2}(\w+): (\S+)/gm)].map(([, key, value]) => `model.${key}=${value}`);
  const recipe = 'projects/blip/train/caption_photos_frozen.yaml';
  const config = await Config.fromFile(recipe, keys);
  assert.deepEqual([config.model.strip_accents, config.model.added_words], [false, 'words.txt']);
});

test('every page that the documentation points to is there', () => {
  for (const file of readdirSync('docs').filter((name) => name.endsWith('.md'))) {
    const text = readFileSync(join('docs', file), 'utf8');
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
      assert.ok(existsSync(resolve('docs', target)), `${file} points to ${target}`);
    }
  }
});
