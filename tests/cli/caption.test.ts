import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { globMatcher } from '#src/common/glob.js';
import { imagesOf } from '#src/processors/image_sources.js';
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

  it('of folders takes images under all their names, each folder once, and counts the rest by kind', async () => {
    const tree = join(folder, 'tree');
    const put = (...names: string[]) => {
      for (const name of names) {
        mkdirSync(dirname(join(tree, name)), { recursive: true });
        writeFileSync(join(tree, name), 'bytes');
      }
    };
    const images = ['a.JPG', 'b.jfif', 'c.jpe', 'd.BMP', 'deep/e.avif', 'deep/f.tif', 'g.gif', 'h.webp'];
    put(...images, 'notes.txt', 'more.txt', 'phone.heic', 'deep/phone.HEIF', 'README', 'paper.pdf');
    put('._a.jpg', '.hidden.png', 'Thumbs.db', '.ipynb_checkpoints/a.jpg', '__MACOSX/a.jpg');
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'z.png'), 'bytes');
    symlinkSync('..', join(tree, 'deep', 'loop'));
    symlinkSync('deep', join(tree, 'again'));
    symlinkSync(outside, join(tree, 'linked'));
    symlinkSync('nowhere.jpg', join(tree, 'gone.jpg'));
    const leftOut = new Map<string, number>();
    const found = await imagesOf([tree], { leftOut });
    assert.deepEqual(found, [...images, 'linked/z.png'].map((name) => join(tree, name)).sort());
    assert.deepEqual(Object.fromEntries(leftOut), {
      '.heic': 1,
      '.heif': 1,
      '.pdf': 1,
      '.txt': 2,
      'broken links': 1,
      hidden: 3,
      'without an ending': 1,
    });
    assert.deepEqual(
      await imagesOf([tree], { recursive: false }),
      found.filter((path) => dirname(path) === tree),
    );
    await assert.rejects(imagesOf([`${tree}/*.heic`]), /only 1 \.heic[\s\S]*heif-convert/);
  });

  it('a glob stands for names as in a shell', () => {
    const cases: [glob: string, matched: string[], others: string[]][] = [
      ['a/*.jpg', ['a/b.jpg', 'a/.jpg'], ['a/b/c.jpg', 'a/b.jpgx', 'xa/b.jpg']],
      ['a/**/c?.jpg', ['a/c1.jpg', 'a/b/d/c2.jpg'], ['a/c.jpg', 'a/bc1.jpg']],
      ['a(1)+$*.jpg', ['a(1)+$b.jpg'], ['a1+$b.jpg', 'a(1)$b.jpg']],
      ['{08..10}.jpg', ['08.jpg', '09.jpg', '10.jpg'], ['8.jpg', '11.jpg']],
      ['./{one,t.o}[!0-9].png', ['onex.png', 't.oa.png'], ['one1.png', 'twoa.png']],
    ];
    for (const [glob, matched, others] of cases) {
      const matches = globMatcher(glob, { dot: true });
      for (const name of matched) assert.ok(matches(name), `${name} by ${glob}`);
      for (const name of others) assert.ok(!matches(name), `${name} by ${glob}`);
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
    assert.deepEqual(
      json.map(({ image }: { image: string }) => image),
      [join(photos, '0.jpg'), join(photos, '1.jpg'), join(photos, 'more/0.jpg')],
    );
    for (const { captions, log_probabilities, scores, tokens } of entries) {
      assert.deepEqual([log_probabilities.length, scores.length], [captions.length, captions.length]);
      assert.ok(scores[0] >= scores[1], 'the best comes first');
      assert.equal(tokens, undefined);
    }
    const told = await lavis('caption', join(photos, '0.jpg'), '--json', '--tokens', ...common);
    const [{ tokens, log_probabilities }] = JSON.parse(told.stdout);
    const sum = tokens[0].reduce((total: number, [, value]: [string, number]) => total + value, 0);
    assert.ok(Math.abs(sum / tokens[0].length - log_probabilities[0]) < 1e-5, told.stdout);
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

  it('gives the best so many of the beams, and refuses more than there are', async () => {
    const image = join(photos, '0.jpg');
    const five = await lavis('caption', image, '--num-beams', '5', '--num-captions', '5', ...common);
    assert.equal(five.code, 0, five.stderr);
    const lines = five.stdout.trimEnd().split('\n');
    assert.equal(new Set(lines).size, 5, five.stdout);
    assert.equal(`${lines[0]}\n`, (await lavis('caption', image, '--num-beams', '5', ...common)).stdout);
    const more = await lavis('caption', image, '--num-beams', '3', '--num-captions', '4', ...common);
    assert.equal(more.code, 1);
    assert.match(more.stderr, /4 with 3 beams[\s\S]*--num-beams/);
    const crossed = await lavis('caption', image, '--min-length', '50', '--max-length', '10', ...common);
    assert.equal(crossed.code, 1);
    assert.match(crossed.stderr, /--min-length[\s\S]*50[\s\S]*maxLength, which is 10/);
  });

  it('hears every generation key of the YAML, and the command line before it', async () => {
    const image = join(photos, '0.jpg');
    const say = async (...more: string[]) => {
      const { code, stdout, stderr } = await lavis('caption', image, ...more);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const plain = await say('--num-beams', '1', ...common);
    const yaml = [...common, 'run.num_beams=1', 'run.min_len=12'];
    const cases: [keys: string[], flags: string[]][] = [
      [['run.repetition_penalty=5'], ['--repetition-penalty', '5']],
      [['run.no_repeat_ngram_size=1'], ['--no-repeat-ngram-size', '1']],
      [
        ['run.use_nucleus_sampling=True', 'run.temperature=1.5', 'run.top_p=0.99', 'run.top_k=200'],
        ['--nucleus', '--temperature', '1.5', '--top-p', '0.99', '--top-k', '200'],
      ],
    ];
    for (const [keys, flags] of cases) {
      const byYaml = await say(...yaml, ...keys);
      assert.notEqual(byYaml, plain);
      assert.equal(byYaml, await say('--min-length', '12', '--num-beams', '1', ...flags, ...common), keys[0]);
    }
    const [, word] = plain.trim().split(': ')[1].split(' ');
    const without = await say('--num-beams', '1', '--bad-words', word, ...common);
    assert.ok(!without.split(': ')[1].trim().split(' ').includes(word), without);
    const wrong = await lavis('caption', image, '--top-p', 'much', ...common);
    assert.equal(wrong.code, 2);
  });

  it('takes --options, a prompt and generation with --model too', async () => {
    const zoo = ['--model', 'blip_caption', '--model-type', 'shapes', '--device', 'cpu'];
    const image = join(photos, '0.jpg');
    const misspelt = await lavis('caption', image, ...zoo, '--options', 'model.tokeniser=x');
    assert.equal(misspelt.code, 1);
    assert.match(misspelt.stderr, /did you mean 'tokenizer'/);
    const one = await lavis('caption', image, ...zoo, '--options', 'run.max_len=7', 'run.num_beams=1');
    assert.equal(one.code, 0, one.stderr);
    const two = await lavis('caption', image, ...zoo, '--max-length', '7', '--num-beams', '1');
    assert.equal(two.stdout, one.stdout);
    const room = await lavis('caption', image, ...zoo, '--max-length', '7', '--prompt', 'a a a a a a a a');
    assert.match(room.stderr, /the prompt has 9 tokens/);
  });

  it('- reads an image from standard input', async () => {
    const child = spawn(process.execPath, ['bin/lavis.js', 'caption', '-', ...common]);
    child.stdin.end(readFileSync(join(photos, '0.jpg')));
    let printed = '';
    for await (const chunk of child.stdout) printed += chunk;
    const alone = await lavis('caption', join(photos, '0.jpg'), ...common);
    assert.equal(printed, alone.stdout.replace(join(photos, '0.jpg'), '-'));
  });

  it('--write puts a file beside each image, once, and adds to those that are there as it is told', async () => {
    const out = join(folder, 'written');
    mkdirSync(out);
    for (const name of ['0.jpg', '1.jpg']) copyFileSync(join(photos, name), join(out, name));
    writeFileSync(join(out, '1.txt'), 'by hand\n');
    const write = async (...more: string[]) => {
      const { code, stdout, stderr } = await lavis('caption', out, '--write', 'txt', ...more, ...common);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, '');
      return [readFileSync(join(out, '0.txt'), 'utf8'), readFileSync(join(out, '1.txt'), 'utf8')];
    };
    const captions = [];
    for (const name of ['0.jpg', '1.jpg']) {
      const { stdout } = await lavis('caption', join(out, name), ...common);
      captions.push(stdout.slice(stdout.indexOf(': ') + 2).trimEnd());
    }
    const [first, second] = captions;
    assert.deepEqual(await write('--prefix', 'mine, '), [`mine, ${first}\n`, 'by hand\n']);
    assert.deepEqual(await write('--existing', 'append', '--suffix', '.'), [
      `mine, ${first} ${first}.\n`,
      `by hand ${second}.\n`,
    ]);
    assert.deepEqual(await write('--existing', 'overwrite'), [`${first}\n`, `${second}\n`]);
    assert.deepEqual(await write('--existing', 'prepend'), [`${first} ${first}\n`, `${second} ${second}\n`]);
    rmSync(join(out, '0.txt'));
    copyFileSync(join(out, '0.jpg'), join(out, '0.jpeg'));
    const shared = await lavis('caption', out, '--write', 'txt', ...common);
    assert.equal(shared.code, 1);
    assert.match(shared.stderr, /0\.jpeg and 0\.jpg/);
    assert.ok(!readdirSync(out).includes('0.txt'));
  });

  it('--xmp writes sidecars, beside texts where both are asked for, and passes over what has both', async () => {
    const out = join(folder, 'sidecars');
    mkdirSync(out);
    for (const name of ['0.jpg', '1.jpg']) copyFileSync(join(photos, name), join(out, name));
    writeFileSync(join(out, '1.txt'), 'by hand\n');
    const write = async (...more: string[]) => {
      const { code, stdout, stderr } = await lavis('caption', out, '--xmp', ...more, ...common);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, '');
      return stderr;
    };
    await write('--write', 'txt');
    for (const name of ['0.jpg', '1.jpg']) {
      const said = (await lavis('caption', join(out, name), ...common)).stdout.split(': ')[1].trimEnd();
      assert.match(
        readFileSync(join(out, `${name}.xmp`), 'utf8'),
        new RegExp(`<rdf:li xml:lang="x-default">${said}</rdf:li>`),
      );
      const text = readFileSync(join(out, name.replace('jpg', 'txt')), 'utf8');
      assert.equal(text, name === '1.jpg' ? 'by hand\n' : `${said}\n`);
    }
    assert.match(await write('--write', 'txt'), /2 have a caption already/);
    const url = await lavis('caption', 'http://127.0.0.1:9/a.jpg', '--xmp', ...common);
    assert.equal(url.code, 2);
    assert.match(
      url.stderr,
      /--xmp puts a file beside each image, and http:\/\/127\.0\.0\.1:9\/a\.jpg is not a file/,
    );
  });

  it('--format csv is a table with quotes where they are needed', async () => {
    const odd = join(folder, 'a "b", c.jpg');
    copyFileSync(join(photos, '0.jpg'), odd);
    const { stdout } = await lavis('caption', odd, '--format', 'csv', '--prefix', 'say, ', ...common);
    const caption = (await lavis('caption', odd, ...common)).stdout.slice(odd.length + 2, -1);
    const [head, row] = stdout.trimEnd().split('\n');
    assert.equal(head, 'image,caption,log_probability');
    const start = `"${odd.replaceAll('"', '""')}","say, ${caption}",`;
    assert.equal(row.slice(0, start.length), start);
    assert.ok(Number(row.slice(start.length)) < 0, row);
  });

  it('--explain draws where the model looked, images of one name apart', async () => {
    const drawings = join(folder, 'looks');
    const { code, stderr } = await lavis('caption', photos, '--explain', drawings, ...common);
    assert.equal(code, 0, stderr);
    assert.deepEqual(readdirSync(drawings).sort(), ['0.png', '0_2.png', '1.png']);
    const { format, width = 0 } = await sharp(join(drawings, '0.png')).metadata();
    assert.deepEqual([format, width > 1000], ['png', true]);
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
