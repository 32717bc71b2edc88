import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { before, describe, it } from 'node:test';
import { globPattern, imagesOf } from '#src/cli/image_sources.js';
import { drawPhotos } from '../docs/photos.js';
import { lavis } from '../end_to_end/lavis.js';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const photos = join(folder, 'photos');

before(async () => {
  mkdirSync(join(photos, 'more'), { recursive: true });
  await drawPhotos(photos, 2);
  await drawPhotos(join(photos, 'more'), 1);
  writeFileSync(join(photos, 'notes.txt'), 'no image');
});

describe('what lavis caption is pointed at', () => {
  it('folders, globs and files become images, each once', async () => {
    const [first, second, deep] = ['0.jpg', '1.jpg', 'more/0.jpg'].map((name) => join(photos, name));
    assert.deepEqual(await imagesOf([photos]), [first, second, deep]);
    assert.deepEqual(await imagesOf([`${photos}/*.jpg`]), [first, second]);
    assert.deepEqual(await imagesOf([second, `${photos}/**/[0-9].{jpg,png}`]), [second, first, deep]);
    await assert.rejects(imagesOf([`${photos}/*.png`]), /there is no image[\s\S]*\*\.png/);
    await assert.rejects(imagesOf([join(photos, '7.jpg')]), /an image is missing/);
  });

  it('a glob stands for names as in a shell', () => {
    const cases: [glob: string, matched: string[], others: string[]][] = [
      ['a/*.jpg', ['a/b.jpg', 'a/.jpg'], ['a/b/c.jpg', 'a/b.jpgx', 'xa/b.jpg']],
      ['a/**/c?.jpg', ['a/c1.jpg', 'a/b/d/c2.jpg'], ['a/c.jpg', 'a/bc1.jpg']],
      ['./{one,t.o}[!0-9].png', ['onex.png', 't.oa.png'], ['one1.png', 'twoa.png']],
    ];
    for (const [glob, matched, others] of cases) {
      for (const name of matched) assert.match(name, globPattern(glob));
      for (const name of others) assert.doesNotMatch(name, globPattern(glob));
    }
  });
});

describe('lavis caption', () => {
  let tiny: TinyRun;
  let common: string[];
  before(async () => {
    tiny = await tinyRun(folder, { max_epoch: 1, test_splits: [] });
    await (await tiny.runner('out')).train();
    common = ['--cfg-path', tiny.yaml, '--device', 'cpu', '--options', ...tiny.output('out')];
  });

  it('captions a folder batch by batch as it would one by one, in three formats', async () => {
    const text = await lavis('caption', photos, '--batch-size', '2', ...common);
    assert.equal(text.code, 0, text.stderr);
    const lines = text.stdout.trimEnd().split('\n');
    assert.equal(lines.length, 3);
    for (const line of lines) {
      const alone = await lavis('caption', line.slice(0, line.indexOf(': ')), ...common);
      assert.equal(alone.stdout, `${line}\n`);
    }
    const jsonl = await lavis('caption', photos, '--format', 'jsonl', '--num-captions', '2', ...common);
    const entries = jsonl.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      entries.map(({ image, captions }) => [image, captions.length]),
      [
        [join(photos, '0.jpg'), 2],
        [join(photos, '1.jpg'), 2],
        [join(photos, 'more/0.jpg'), 2],
      ],
    );
    const json = JSON.parse((await lavis('caption', photos, '--format', 'json', ...common)).stdout);
    assert.deepEqual(Object.keys(json), [
      join(photos, '0.jpg'),
      join(photos, '1.jpg'),
      join(photos, 'more/0.jpg'),
    ]);
  });

  it('does not look at what prepares images for training', async () => {
    const other = 'datasets.coco_caption.vis_processor.train.image_size=48';
    const image = join(photos, '0.jpg');
    const { code, stdout, stderr } = await lavis('caption', image, ...common, other);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, (await lavis('caption', image, ...common)).stdout);
    const trained = await lavis('train', ...common, other);
    assert.match(trained.stderr, /train\.image_size is not the image size of the model/);
    const evaluation = await lavis('caption', image, ...common, other.replace('train', 'eval'));
    assert.match(evaluation.stderr, /eval\.image_size is not the image size of the model/);
  });

  it('takes a URL, passes over what is no image, and says so in its exit code', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/0.jpg')
        import('node:fs').then((fs) => fs.createReadStream(join(photos, '0.jpg')).pipe(response));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    writeFileSync(join(folder, 'broken.jpg'), 'no image');
    try {
      const { code, stdout, stderr } = await lavis(
        ...['caption', `${url}/0.jpg`, `${url}/gone.jpg`, join(folder, 'broken.jpg'), ...common],
      );
      assert.equal(code, 1);
      assert.match(stdout, /^http:\S+\/0\.jpg: .*\n$/);
      assert.match(stderr, /gone\.jpg is passed over:[\s\S]*404/);
      assert.match(stderr, /broken\.jpg is passed over: an image cannot be decoded/);
    } finally {
      server.close();
    }
  });

  it('--watch captions what comes into a folder, until Ctrl-C', { timeout: 60_000 }, async () => {
    const inbox = join(folder, 'inbox');
    mkdirSync(inbox);
    const usage = await lavis('caption', join(photos, '0.jpg'), '--watch', ...common);
    assert.equal(usage.code, 2);
    const watching = spawn(process.execPath, [
      'bin/lavis.js',
      'caption',
      inbox,
      '--watch',
      '--format',
      'jsonl',
      ...common,
    ]);
    const ended = new Promise((resolve) => watching.on('exit', resolve));
    const lines = createInterface({ input: watching.stdout })[Symbol.asyncIterator]();
    const messages = createInterface({ input: watching.stderr });
    for await (const line of messages) if (line.startsWith('Watching')) break;
    for (const name of ['0.jpg', '1.jpg']) {
      copyFileSync(join(photos, name), join(inbox, name));
      const { image, captions } = JSON.parse((await lines.next()).value);
      assert.equal(image, join(inbox, name));
      assert.equal(captions.length, 1);
    }
    watching.kill('SIGINT');
    assert.equal(await ended, 0);
  });
});
