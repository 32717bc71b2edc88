import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, test } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { cachePath } from '#src/common/paths.js';
import {
  cocoEvaluate,
  evalLine,
  javaScorers,
  Meteor,
  metricFiles,
  parseScore,
  parseSpice,
  Spice,
  scoreLine,
  spiceInput,
} from '#src/metrics/index.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const root = process.env.LAVIS_CACHE_ROOT;
afterEach(() => {
  if (root === undefined) delete process.env.LAVIS_CACHE_ROOT;
  else process.env.LAVIS_CACHE_ROOT = root;
});

const noJava = spawnSync('java', ['-version']).status === 0 ? false : 'Java is not on PATH';
const images = [
  { references: ['a dog runs', 'the dog is running'], hypothesis: 'a dog runs' },
  { references: ['two cats'], hypothesis: 'a red bus' },
];

test('METEOR gets references and caption on one line, without its separator', () => {
  assert.equal(scoreLine(images[0]), 'SCORE ||| a dog runs ||| the dog is running ||| a dog runs\n');
  assert.equal(scoreLine({ references: ['x'], hypothesis: 'a ||| b' }), 'SCORE ||| x ||| a b\n');
  assert.equal(evalLine(['1 2', '3 4']), 'EVAL ||| 1 2 ||| 3 4\n');
});

test('a METEOR answer that is no number is refused', () => {
  assert.equal(parseScore('0.2712\n'), 0.2712);
  assert.throws(() => parseScore('Error: specify SCORE or EVAL'), DataError);
  assert.throws(() => parseScore(''), DataError);
});

test('SPICE gets one record an image', () => {
  assert.deepEqual(spiceInput([7, 9], images)[1], { image_id: 9, test: 'a red bus', refs: ['two cats'] });
});

test('SPICE scores come back by image id, nulls as NaN', () => {
  const scores = (f: number, relation: number | null) => ({
    All: { pr: 0.5, re: 0.25, f, fn: 3, numImages: 1, fp: 1, tp: 1 },
    Relation: { pr: relation, re: relation, f: relation },
  });
  const text = JSON.stringify([
    { image_id: 9, scores: scores(0.1, null) },
    { image_id: 7, scores: scores(0.3, 0.2) },
  ]);
  const { corpus, perImage } = parseSpice(text, [7, 9]);
  assert.ok(Math.abs(corpus - 0.2) < 1e-12);
  assert.equal(perImage[0].All.f, 0.3);
  assert.equal(perImage[0].Relation.f, 0.2);
  assert.ok(Number.isNaN(perImage[1].Relation.f));
});

test('SPICE scores that lack an image, or are no scores, are refused', () => {
  assert.throws(() => parseSpice('[]', [7]), /no scores for image 7/);
  assert.throws(() => parseSpice('{', [7]), DataError);
  assert.throws(() => parseSpice('{}', [7]), DataError);
});

test('without their archives both are skipped, and the other metrics are there', async () => {
  process.env.LAVIS_CACHE_ROOT = join(folder, 'empty');
  assert.deepEqual(javaScorers(), []);
  const { overall } = await cocoEvaluate([{ image_id: 1, caption: 'a dog' }], {
    annotations: [{ image_id: 1, caption: 'a dog' }],
  });
  assert.ok(!('METEOR' in overall) && !('SPICE' in overall) && 'CIDEr' in overall);
});

test('a METEOR archive that Java cannot open ends in its message', { skip: noJava }, async () => {
  await assert.rejects(new Meteor(join(folder, 'meteor-1.5.jar')).score([1, 2], images), (error: unknown) => {
    assert.ok(error instanceof DataError);
    assert.match(error.message, /METEOR stopped without an answer/);
    assert.match(error.message, /jarfile/);
    return true;
  });
});

test('a SPICE archive that Java cannot open ends in its message', { skip: noJava }, async () => {
  mkdirSync(join(folder, 'spice'));
  await assert.rejects(new Spice(join(folder, 'spice', 'spice-1.0.jar')).score([1, 2], images), /jarfile/);
});

test('a METEOR that fails is left out of an evaluation that did not name it, and ends one that did', {
  skip: noJava,
}, async () => {
  process.env.LAVIS_CACHE_ROOT = join(folder, 'broken');
  const jar = cachePath('metrics/meteor/meteor-1.5.jar');
  mkdirSync(dirname(jar), { recursive: true });
  writeFileSync(jar, 'no archive');
  const results = [{ image_id: 1, caption: 'a dog' }];
  const truth = { annotations: [{ image_id: 1, caption: 'a dog' }] };
  const { overall, evalImgs } = await cocoEvaluate(results, truth);
  assert.deepEqual(Object.keys(overall).slice(3), ['Bleu_4', 'ROUGE_L', 'CIDEr', 'agg_metrics']);
  assert.ok(!('METEOR' in evalImgs[0]));
  await assert.rejects(cocoEvaluate(results, truth, { scorers: [new Meteor(jar)] }), DataError);
});

const lacking = metricFiles.find(({ path }) => !existsSync(cachePath(path)));
test('METEOR scores an exact caption above another one', {
  skip: noJava || (lacking && `${lacking.path} is not in the cache`),
}, async () => {
  const meteor = javaScorers().find(({ name }) => name === 'METEOR')!;
  const { corpus, perImage } = await meteor.score([1, 2], images);
  assert.equal(perImage.length, 2);
  assert.ok(Number(perImage[0]) > Number(perImage[1]));
  assert.ok(corpus > 0 && corpus <= 1);
});
test('SPICE scores an exact caption above another one', {
  skip:
    noJava ||
    (!javaScorers().some(({ name }) => name === 'SPICE') && 'the SPICE archives are not in the cache'),
}, async () => {
  const { corpus, perImage } = await javaScorers()
    .find(({ name }) => name === 'SPICE')!
    .score([1, 2], images);
  assert.equal(perImage.length, 2);
  assert.ok(corpus > 0 && corpus <= 1);
});
