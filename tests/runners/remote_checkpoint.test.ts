import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { weightsCachePath } from '#src/fetch/index.js';
import { readAll } from '../checkpoint/support.js';
import { fileServer, serve } from '../fetch/file_server.js';
import { temporaryFolder } from '../support.js';
import { tinyRun } from './tiny_run.js';

const folder = temporaryFolder();
const cacheRoot = process.env.LAVIS_CACHE_ROOT;
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');
after(() => {
  if (cacheRoot === undefined) delete process.env.LAVIS_CACHE_ROOT;
  else process.env.LAVIS_CACHE_ROOT = cacheRoot;
});

test('a run is carried on, and weights are evaluated, from an http:// address', async () => {
  const tiny = await tinyRun(folder, { max_epoch: 2 });
  const first = await tiny.runner('first', ['run.max_epoch=1']);
  await first.train();
  const checkpoint = readFileSync(join(first.folder.path, 'checkpoint_0.pth'));
  const server = await fileServer({ '/run/checkpoint_0.pth': serve(checkpoint) });
  const url = `${server.url}/run/checkpoint_0.pth`;

  const second = await tiny.runner('second', [`run.resume_ckpt_path=${url}`]);
  await second.train();
  assert.equal(second.state.round, 2);
  const evaluated = await tiny.runner('third', [`run.resume_ckpt_path=${url}`, 'run.evaluate=True']);
  await evaluated.evaluate();
  const saved = await readAll(join(first.folder.path, 'checkpoint_0.pth'));
  for (const [name, variable] of evaluated.model.namedParameters()) {
    assert.deepEqual(variable.dataSync(), saved.get(name)!.data, name);
  }
  assert.equal(server.seen.length, 1, 'it is downloaded once');
});

test('addresses that end in a name of every run, or of every model, do not share a file', () => {
  for (const name of [
    'checkpoint_best.pth',
    'checkpoint_0.pth',
    'model.safetensors',
    'pytorch_model.bin',
    'last.ckpt',
  ]) {
    const [a, b] = ['one', 'two'].map((run) => weightsCachePath(`http://host/${run}/${name}`));
    assert.notEqual(a, b);
    assert.ok(a.endsWith(`/${name}`), a);
    assert.equal(a, weightsCachePath(`http://host/one/${name}`));
  }
  const known = 'https://storage.googleapis.com/x/blip_coco_caption_base.pth';
  assert.equal(weightsCachePath(known), join(folder, 'cache', 'checkpoints', 'blip_coco_caption_base.pth'));
});
