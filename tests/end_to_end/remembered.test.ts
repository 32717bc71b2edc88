import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { contentOf, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

const folder = temporaryFolder();

/** Notes how many images a rank's encoder sees at a time; ends the process without a word at the `KILL_AT`-th. */
const COUNTING = `
  import { appendFileSync } from 'node:fs';
  import { VisionTransformer } from '${pathToFileURL('dist/models/index.js').href}';
  const { forward } = VisionTransformer.prototype;
  let calls = 0;
  VisionTransformer.prototype.forward = function (image, rng) {
    if (String(++calls) === process.env.KILL_AT) process.kill(process.pid, 'SIGKILL');
    appendFileSync(process.env.COUNTS, \`\${process.env.RANK ?? 0} \${image.shape[0]}\\n\`);
    return forward.call(this, image, rng);
  };
`;

/** Makes a rank the only one of its machine, once it is at work, with a disk of its own. */
const APART = `
  import { VisionTransformer } from '${pathToFileURL('dist/models/index.js').href}';
  if (process.env.RANK) process.env.LAVIS_CACHE_ROOT = [process.env.DISK, process.env.RANK].join('-');
  const { forward } = VisionTransformer.prototype;
  VisionTransformer.prototype.forward = function (image, rng) {
    Object.assign(process.env, { LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '1' });
    return forward.call(this, image, rng);
  };
`;

describe('remembered images from the command line', () => {
  let tiny: TinyRun;
  const plugin = join(folder, 'counting.mjs');
  const counts = join(folder, 'counts.txt');
  const cache = (name: string) => join(folder, 'caches', name);
  const kept = (name: string) =>
    readdirSync(join(cache(name), 'image_embeds'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.safetensors'),
    ).length;

  /** @returns what it printed, and the images that each rank's encoder saw */
  const lavis = (cacheName: string, argv: string[], env: Record<string, string> = {}) => {
    writeFileSync(counts, '');
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['bin/lavis.js', ...argv], {
      encoding: 'utf8',
      env: { ...process.env, LAVIS_CACHE_ROOT: cache(cacheName), COUNTS: counts, ...env },
    });
    const seen: Record<string, number> = {};
    for (const line of readFileSync(counts, 'utf8').split('\n').filter(Boolean)) {
      const [rank, images] = line.split(' ');
      seen[rank] = (seen[rank] ?? 0) + Number(images);
    }
    return { status, signal, stdout, stderr, seen };
  };
  const options = (name: string, ...more: string[]) => [
    ...['--plugin', plugin, '--options', ...tiny.output(name)],
    ...['model.freeze_vit=True', 'run.cache_image_embeds=True', 'run.cache_views=4', ...more],
  ];
  const trainArgs = () => ['train', '--cfg-path', tiny.yaml, '--device', 'cpu'];
  const weights = async (name: string) =>
    ((await contentOf(join(jobFolder(join(folder, name)), 'checkpoint_1.pth'))) as { model: object }).model;

  before(async () => {
    tiny = await tinyRun(folder, {}, 0);
    writeFileSync(plugin, COUNTING);
  });

  it('a dry run tells their size and what they save, and leaves what it encoded', () => {
    const { status, stdout, stderr } = lavis('dry', [...trainArgs(), '--dry-run', ...options('dry')]);
    assert.equal(status, 0, stderr);
    assert.match(
      stdout,
      /^remembered {2}30 views of images, [\d.]+ kB of run\.cache_limit_gb=20; 30 are encoded first, once, in about 00:00:0\d\n {12}a step takes about [\d.e-]+ s then, not [\d.]+ s: (00:00:0\d of this run saved|in this run encoding takes longer than it saves)$/m,
    );
    assert.equal(kept('dry'), 16);
    assert.ok(!existsSync(join(folder, 'dry')));
  });

  it('a run that is killed while they are made is carried on, and its lock is nobody’s', async () => {
    const killed = lavis('killed', [...trainArgs(), ...options('killed')], { KILL_AT: '3' });
    assert.equal(killed.signal, 'SIGKILL');
    assert.equal(kept('killed'), 16);
    const next = lavis('killed', [...trainArgs(), ...options('next')]);
    assert.equal(next.status, 0, next.stderr);
    assert.deepEqual(next.seen, { 0: 14 });
    assert.match(next.stderr, /^remembered: 30 views of images, [\d.]+ kB, 14 encoded now in 0:00:0\d$/m);
    assert.equal(kept('killed'), 30);
    const again = lavis('killed', [...trainArgs(), ...options('again')]);
    assert.deepEqual(again.seen, {});
    assert.match(again.stderr, /^remembered: 30 views of images, [\d.]+ kB, all from the cache$/m);
    assert.deepEqual(await weights('again'), await weights('next'));
  });

  it('two workers share one cache, and make each once', () => {
    const two = ['--nproc-per-node', '2'];
    const first = lavis('two', [...trainArgs(), ...two, ...options('two', 'run.batch_size_train=1')]);
    assert.equal(first.status, 0, first.stderr);
    assert.deepEqual(first.seen, { 0: 15, 1: 15 });
    assert.equal(kept('two'), 30);
    const second = lavis('two', [...trainArgs(), ...two, ...options('two_again', 'run.batch_size_train=1')]);
    assert.equal(second.status, 0, second.stderr);
    assert.deepEqual(second.seen, {});
  });

  it('workers whose disks are their own make what theirs lacks', () => {
    const apart = join(folder, 'apart.mjs');
    writeFileSync(apart, APART);
    const two = ['--nproc-per-node', '2', '--plugin', apart];
    const more = ['run.batch_size_train=1'];
    const argv = [...trainArgs(), ...two, ...options('apart', ...more)];
    const { status, stderr, seen } = lavis('disk', argv, { DISK: cache('disk') });
    assert.equal(status, 0, stderr);
    assert.deepEqual(seen, { 0: 30, 1: 30 });
    assert.deepEqual([kept('disk-0'), kept('disk-1')], [30, 30]);
  });

  it('an evaluation has them too, and lavis cache lists and clears them', () => {
    const best = join(jobFolder(join(folder, 'next')), 'checkpoint_best.pth');
    const argv = ['eval', '--cfg-path', tiny.yaml, '--device', 'cpu', '--checkpoint', best];
    const evaluated = lavis('killed', [...argv, ...options('evaluated')]);
    assert.equal(evaluated.status, 0, evaluated.stderr);
    assert.deepEqual(evaluated.seen, {});
    const listed = lavis('killed', ['cache']);
    assert.equal(listed.status, 0, listed.stderr);
    assert.match(
      listed.stdout,
      /BlipCaption visual_encoder: 24 views of images, [\d.]+ kB, last used \d{4}-\d\d-\d\d\n {2}coco_caption train\n/,
    );
    assert.match(listed.stdout, /: 6 views of images, .*\n {2}coco_caption test\n/);
    const cleared = lavis('killed', ['cache', '--clear']);
    assert.match(cleared.stdout, /[\d.]+ kB removed\n$/);
    assert.equal(kept('killed'), 0);
    assert.equal(lavis('killed', ['cache']).stdout, 'no images are remembered\n');
    assert.deepEqual(lavis('killed', [...argv, ...options('evaluated_again')]).seen, { 0: 3 });
  });
});
