import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadClasses } from '#src/cli/config_options.js';
import { DataError } from '#src/common/errors.js';
import { CustomCaptionBuilder } from '#src/datasets/index.js';
import { fetchItems } from '#src/fetch/fetch_items.js';
import { itemsOf } from '#src/runs/downloads.js';
import { fileServer, type Handler, serve, serveSome } from '../fetch/file_server.js';
import { fixture, temporaryFolder } from '../support.js';
import { storedZip } from '../zip.js';

const folder = temporaryFolder();
await loadClasses();

const photos = storedZip({ 'val2014/COCO_val2014_000000000042.jpg': 'a photo', 'val2014/b.jpg': 'another' });
const annotations = Buffer.from('[{"image": "val2014/b.jpg", "caption": ["two dogs"]}]');
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

const ARCHIVE = '/images.cocodataset.org/zips/val2014.zip';
const DATASETS = '/storage.googleapis.com/sfr-vision-language-research/datasets';
/** Breaks the first transfer in the middle. */
const brokenOnce = (body: Uint8Array): Handler => {
  let broken = false;
  return (request, response, nth) => {
    const whole = request.method === 'HEAD' || broken;
    if (request.method === 'GET') broken = true;
    return (whole ? serve(body) : serveSome(body, 100, 'break'))(request, response, nth);
  };
};
const server = await fileServer({
  [ARCHIVE]: brokenOnce(photos),
  [`${DATASETS}/coco_karpathy_val.json`]: serve(annotations),
  [`${DATASETS}/coco_karpathy_test.json`]: serve(annotations),
});

/** Runs a command line; `cache` is its cache root, the server above its mirror. */
function lavis(
  cache: string,
  ...argv: string[]
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, LAVIS_CACHE_ROOT: cache, LAVIS_MIRROR: server.url };
  const child = spawn(process.execPath, ['bin/lavis.js', ...argv], { env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
}

/** As COCO's, with the sums of the files that the server above has. */
const items = () =>
  itemsOf('coco', ['val', 'test']).map((item) => ({ ...item, md5: md5(item.unpack ? photos : annotations) }));

test('COCO is fetched and unpacked, and the second time nothing is asked for', async () => {
  const cache = join(folder, 'coco');
  process.env.LAVIS_CACHE_ROOT = cache;
  process.env.LAVIS_MIRROR = server.url;
  mkdirSync(cache);
  await fetchItems(items(), { backoffMs: 5 });
  assert.deepEqual(readdirSync(join(cache, 'coco/images')), ['val2014']);
  assert.deepEqual(readdirSync(join(cache, 'coco/images/val2014')).sort(), [
    'COCO_val2014_000000000042.jpg',
    'b.jpg',
  ]);
  assert.equal(readFileSync(join(cache, 'coco/images/val2014/b.jpg'), 'utf8'), 'another');
  assert.ok(readFileSync(join(cache, 'coco/annotations/coco_karpathy_val.json')).equals(annotations));
  assert.deepEqual(
    server.seen.filter(({ url, range }) => url === ARCHIVE && range).map(({ range }) => range),
    ['bytes=100-'],
  );
  const asked = server.seen.length;
  await fetchItems(items(), { backoffMs: 5 });
  assert.equal(server.seen.length, asked);
});

test("the splits of COCO are Karpathy's: train needs both archives, test only val2014", () => {
  const archives = (...splits: string[]) =>
    itemsOf('coco', splits)
      .filter((item) => item.unpack)
      .map((item) => item.url.split('/').at(-1));
  assert.deepEqual(archives('train', 'val', 'test'), ['train2014.zip', 'val2014.zip']);
  assert.deepEqual(archives('test'), ['val2014.zip']);
  assert.deepEqual(archives('test2015'), ['test2015.zip']);
  assert.deepEqual(
    itemsOf('coco', ['val']).map(({ md5 }) => md5),
    ['b273847456ef5580e33713b1f7de52a0', 'a3d79f5ed8d289b7a7554ce06a5782b3'],
  );
});

test("every dataset knows its archives: COCO's by split, Visual Genome's two, none that are handed out on request", () => {
  const names = (name: string, ...splits: string[]) =>
    itemsOf(name, splits).map(({ url }) => url.split('/').at(-1));
  assert.deepEqual(names('coco_vqa', 'train'), [
    'vqa_train.json',
    'vqa_val.json',
    'train2014.zip',
    'val2014.zip',
  ]);
  assert.deepEqual(names('coco_vqa', 'test'), ['vqa_test.json', 'answer_list.json', 'test2015.zip']);
  assert.deepEqual(names('coco_retrieval', 'test'), ['coco_karpathy_test.json', 'val2014.zip']);
  assert.deepEqual(names('ok_vqa', 'train'), ['okvqa_train.json', 'train2014.zip']);
  assert.deepEqual(names('vg', 'train'), ['vg_caption.json', 'images.zip', 'images2.zip']);
  assert.deepEqual(names('vg_vqa', 'train'), ['vg_qa.json', 'images.zip', 'images2.zip']);
  assert.deepEqual(names('flickr30k', 'val'), ['flickr30k_val.json']);
  assert.deepEqual(names('nlvr', 'val'), ['nlvr_dev.json']);
  for (const name of [
    'snli_ve',
    'conceptual_caption_3m',
    'custom_caption',
    'folder_caption',
    'shards_caption',
    'shapes_caption',
  ]) {
    assert.deepEqual(itemsOf(name, ['train', 'val', 'test']), [], name);
  }
});

test('a model stands for its weights and its vocabulary', () => {
  const urls = itemsOf('blip_caption/base_coco', []).map(({ url }) => url.split('/').at(-1));
  assert.deepEqual(urls, ['blip_coco_caption_base.pth', 'model_base_capfilt_large.pth', 'vocab.txt']);
});

test("a dataset's own image archives are fetched and unpacked", async () => {
  process.env.LAVIS_CACHE_ROOT = join(folder, 'own');
  mkdirSync(join(folder, 'own'));
  const section = (url: string | string[]) => ({ build_info: { images: { storage: 'own/images', url } } });
  const zip = storedZip({ 'photos/a.jpg': 'a', 'notes.txt': 'n' });
  const mirror = await fileServer({ '/h.test/photos.zip': serve(zip), '/h.test/b.zip': serve(zip) });
  process.env.LAVIS_MIRROR = mirror.url;
  const itemsOfUrls = (url: string | string[]) =>
    CustomCaptionBuilder.fromConfig(section(url)).downloads(['train']);
  await fetchItems(itemsOfUrls('http://h.test/photos.zip'));
  assert.deepEqual(readdirSync(join(folder, 'own/own/images')).sort(), ['a.jpg', 'notes.txt']);
  const several = itemsOfUrls(['http://h.test/photos.zip', 'http://h.test/b.zip']);
  assert.deepEqual(
    several.map((item) => item.unpack!.folder),
    ['photos', 'b'].map((name) => join(folder, 'own/own/images', name)),
  );
});

test('all that a run names is told and fetched', async () => {
  const yaml = 'projects/blip/train/caption_coco_ft.yaml';
  const { status, stderr } = await lavis(join(folder, 'run'), 'download', '--cfg-path', yaml, '--dry-run');
  assert.equal(status, 0, stderr);
  for (const file of [
    'model_base_capfilt_large.pth',
    'vocab.txt',
    'coco_karpathy_train.json',
    'train2014.zip',
  ]) {
    assert.ok(stderr.includes(file), `${file} in ${stderr}`);
  }
  assert.ok(!stderr.includes('blip_coco_caption_base.pth'), 'the run does not load it');
  const evaluation = 'projects/blip/eval/caption_coco_eval.yaml';
  const tested = await lavis(join(folder, 'run'), 'download', '--cfg-path', evaluation, '--dry-run');
  assert.match(
    tested.stderr,
    /blip_coco_caption_base\.pth[\s\S]*coco_karpathy_test\.json[\s\S]*val2014\.zip/,
  );
  assert.doesNotMatch(tested.stderr, /coco_karpathy_train\.json|train2014\.zip/);
});

test('sizes are told before anything is fetched', async () => {
  const { status, stderr } = await lavis(
    join(folder, 'dry'),
    'download',
    'coco',
    '--splits',
    'val',
    '--dry-run',
  );
  assert.equal(status, 0, stderr);
  assert.match(stderr, /53 bytes {2}the val annotations: https:\/\/storage/);
  assert.match(
    stderr,
    /bytes {2}the images of val2014: http:\/\/images\.cocodataset\.org\/zips\/val2014\.zip/,
  );
  assert.match(stderr, /in all, to .*dry, where .* are free/);
  assert.deepEqual(readdirSync(join(folder, 'dry')), []);
});

test('a file with another checksum is refused', async () => {
  const cache = join(folder, 'wrong');
  const { status, stderr } = await lavis(cache, 'download', 'coco', '--splits', 'val');
  assert.equal(status, 1);
  assert.match(stderr, /DataError: the val annotations cannot be had[\s\S]*md5 sum is .*, not b273847456ef/);
  assert.ok(!existsSync(join(cache, 'coco/annotations/coco_karpathy_val.json')));
});

test('the vocabulary is fetched, and another file in its place refused', async () => {
  const words = readFileSync(fixture('tiny_caption', 'vocab.txt'));
  const vocabulary = '/huggingface.co/bert-base-uncased/resolve/main/vocab.txt';
  const mirror = await fileServer({ [vocabulary]: serve(words) });
  const cache = join(folder, 'vocabulary');
  const asked = ['download', 'bert-base-uncased', '--mirror', mirror.url];
  const refused = await lavis(cache, ...asked);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /the vocabulary of bert-base-uncased cannot be had[\s\S]*sum is/);
  const path = join(cache, 'bert-base-uncased/vocab.txt');
  assert.ok(!existsSync(path));
  // what lies in the cache is taken, wherever it came from
  mkdirSync(join(cache, 'bert-base-uncased'), { recursive: true });
  writeFileSync(path, words);
  const { status, stdout, stderr } = await lavis(cache, ...asked);
  assert.equal(status, 0, stderr);
  assert.equal(stdout.trim(), path);
});

test('without a network one message names address, cache path and option', async () => {
  const gone = await fileServer({});
  await gone.close();
  const cache = join(folder, 'offline');
  const { status, stderr } = await lavis(cache, 'download', 'coco', '--mirror', gone.url);
  assert.equal(status, 1);
  for (const part of [
    'https://storage.googleapis.com/sfr-vision-language-research/datasets/coco_karpathy_train.json',
    join(cache, 'coco/annotations/coco_karpathy_train.json'),
    'datasets.coco_caption.build_info.annotations.train.storage=/path/to/train.json',
    'no connection (ECONNREFUSED)',
  ]) {
    assert.ok(stderr.includes(part), `${part} in ${stderr}`);
  }
});

test('unknown names and splits are told with the nearest ones', async () => {
  const name = await lavis(folder, 'download', 'coc');
  assert.match(name.stderr, /nothing to download is named 'coc'[\s\S]*did you mean 'coco'/);
  const split = await lavis(folder, 'download', 'coco', '--splits', 'trian');
  assert.match(split.stderr, /no split is named 'trian'[\s\S]*did you mean 'train'/);
});

test('a disk without room is told before the download', async () => {
  process.env.LAVIS_CACHE_ROOT = join(folder, 'full');
  mkdirSync(join(folder, 'full'));
  const huge: Handler = (_, response) => void response.writeHead(200, { 'content-length': 1e15 }).end();
  const mirror = await fileServer({ '/huge.test/x.zip': huge });
  process.env.LAVIS_MIRROR = mirror.url;
  const item = {
    what: 'a huge file',
    url: 'http://huge.test/x.zip',
    path: join(folder, 'x.zip'),
    option: 'none',
  };
  await assert.rejects(fetchItems([item]), (thrown) => {
    return thrown instanceof DataError && /no room[\s\S]*1000 TB needed/.test(thrown.message);
  });
});

test('lavis convert writes a checkpoint in another format', async () => {
  const out = join(folder, 'weights.safetensors');
  const weights = fixture('tiny_caption', 'weights.pth');
  const { status, stdout, stderr } = await lavis(folder, 'convert', weights, out, '--dtype', 'float16');
  assert.equal(status, 0, stderr);
  assert.equal(stdout, `${out}: 106 tensors, 115,308 numbers\n`);
  assert.match(readFileSync(out, 'latin1'), /"visual_encoder\.cls_token":\{"dtype":"F16","shape":\[1,1,36\]/);
  writeFileSync(join(folder, 'page.pth'), '<html>not found</html>');
  const page = await lavis(folder, 'convert', join(folder, 'page.pth'), out);
  assert.equal(page.status, 1);
  assert.match(page.stderr, /CheckpointError: the file is not a checkpoint[\s\S]*a web page/);
});
