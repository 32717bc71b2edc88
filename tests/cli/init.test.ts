import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { drawPhotos } from '../docs/photos.js';
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

test('a run that lavis init writes for a folder of photos trains with a frozen encoder, and captions', async () => {
  const folder = temporaryFolder();
  const photos = join(folder, 'my photos');
  mkdirSync(photos);
  for (const { name, caption } of await drawPhotos(photos, 16))
    writeFileSync(join(photos, name.replace('.jpg', '.txt')), caption);
  const env = { ...process.env, LAVIS_CACHE_ROOT: join(folder, 'cache') };
  const lavis = (cwd: string, ...argv: string[]) =>
    spawnSync(process.execPath, [bin, ...argv], { cwd, env, encoding: 'utf8', stdio: 'pipe' });
  const begun = lavis(folder, 'init', 'mine', '--from', 'my photos', '--recipe', 'frozen', '--no-gpu');
  assert.equal(begun.status, 0, begun.stderr);
  assert.match(begun.stdout, /16 photos, 16 captions, read by folder_caption/);
  assert.deepEqual(readdirSync(join(folder, 'mine')), ['run.yaml']);
  // Without downloads: the toy model in place of BLIP base, at its size.
  const sizes = ['train', 'eval'].map(
    (side) => `datasets.folder_caption.vis_processor.${side}.image_size=64`,
  );
  const toy = ['--options', 'model.model_type=shapes', ...sizes];
  const trained = lavis(join(folder, 'mine'), 'train', '--cfg-path', 'run.yaml', ...toy, 'run.max_epoch=2');
  assert.equal(trained.status, 0, trained.stderr);
  assert.match(trained.stdout, /CIDEr/);
  const said = lavis(join(folder, 'mine'), 'caption', photos, '--cfg-path', 'run.yaml', ...toy);
  assert.equal(said.stdout.trim().split('\n').length, 16, said.stderr);
  const wrong = lavis(folder, 'init', 'other', '--recipe', 'lora');
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /--recipe and --gpu go with --from/);
});
