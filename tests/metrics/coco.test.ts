import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DataError } from '#src/common/errors.js';
import {
  type CaptionAnnotations,
  type CaptionResult,
  cocoEvaluate,
  scoreTokenized,
} from '#src/metrics/index.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const file = (name: string, value: unknown) => {
  const path = join(folder, name);
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
};

const groundTruth: CaptionAnnotations = {
  images: [{ id: 30 }, { id: 10 }, { id: 20 }],
  annotations: [
    { image_id: 10, caption: 'A man riding a wave.' },
    { image_id: 10, caption: 'The surfer "rides" a wave!' },
    { image_id: 20, caption: "A dog's toy (red), on grass." },
    { image_id: 30, caption: 'Two cats.' },
  ],
};
const results: CaptionResult[] = [
  { image_id: 20, caption: 'a dog with a red toy' },
  { image_id: 10, caption: 'a man riding a wave' },
];
const evaluate = (r: string | CaptionResult[], g: string | CaptionAnnotations) =>
  cocoEvaluate(r, g, { scorers: [] });

test('captions are tokenized and only images with a result are scored, in the ground truth order', async () => {
  const { overall, evalImgs, perImage } = await evaluate(results, groundTruth);
  const expected = scoreTokenized(
    new Map([
      [10, ['a man riding a wave', 'the surfer rides a wave']],
      [20, ["a dog 's toy -lrb- red -rrb- on grass"]],
    ]),
    new Map([
      [10, ['a man riding a wave']],
      [20, ['a dog with a red toy']],
    ]),
  );
  assert.deepEqual(overall, expected.overall);
  assert.deepEqual(
    evalImgs.map((scores) => scores.image_id),
    [10, 20],
  );
  assert.deepEqual(perImage.get(20), { image_id: 20, ...expected.perImage.get(20) });
  assert.equal(overall.agg_metrics, overall.CIDEr + overall.Bleu_4);
});

test('files score as their values do, and ids may be numbers or strings', async () => {
  const byValue = await evaluate(results, groundTruth);
  const strings = results.map(({ image_id, caption }) => ({ image_id: String(image_id), caption }));
  const byFile = await evaluate(file('results.json', strings), file('gt.json', groundTruth));
  assert.deepEqual(byFile, byValue);
});

test('further scorers join the report in the reference order', async () => {
  const scorer = {
    name: 'METEOR',
    score: async (ids: readonly unknown[]) => ({ corpus: 0.25, perImage: ids.map(() => 0.5) }),
  };
  const { overall, evalImgs } = await cocoEvaluate(results, groundTruth, { scorers: [scorer] });
  assert.deepEqual(Object.keys(overall).slice(3, 7), ['Bleu_4', 'METEOR', 'ROUGE_L', 'CIDEr']);
  assert.equal(evalImgs[1].METEOR, 0.5);
});

const refuses = (name: string, run: () => Promise<unknown>, ...parts: RegExp[]) =>
  test(name, async () => {
    await assert.rejects(run, (error: unknown) => {
      assert.ok(error instanceof DataError, String(error));
      for (const part of parts) assert.match(error.message, part);
      return true;
    });
  });

const extra = [1, 2, 3, 4, 5, 6, 7].map((image_id) => ({ image_id, caption: 'x' }));
refuses(
  'result ids that the ground truth lacks are counted and listed',
  () => evaluate([...results, ...extra], groundTruth),
  /7 results of 9 not in the ground truth/,
  /1, 2, 3, 4, 5 and 2 more/,
);
refuses(
  'an image without a reference is named',
  () =>
    evaluate([{ image_id: 5, caption: 'a' }], { images: [{ id: 5 }], annotations: groundTruth.annotations }),
  /1 image without a reference/,
  /image ids 5/,
);
refuses(
  'an image with two results is named',
  () => evaluate([...results, results[0]], groundTruth),
  /1 image with more than one result/,
  /20/,
);
refuses('no results at all', () => evaluate([], groundTruth), /no captions to evaluate/);
refuses(
  'a result entry that lacks its caption is shown by index and key',
  () => evaluate(file('lacks.json', [results[0], { image_id: 10 }]), groundTruth),
  /lacks\.json, \[1\]\.caption/,
  /found: {3}nothing/,
);
refuses(
  'an annotation with a wrong id is shown by index and key',
  () => evaluate(results, { annotations: [{ image_id: null as never, caption: 'a' }] }),
  /annotations\[0\]\.image_id/,
);
refuses('a results file that is not JSON', () => evaluate(file('bad.json', '[{'), groundTruth), /not JSON/);
refuses(
  'a ground truth of another form',
  () => evaluate(results, file('list.json', [])),
  /no COCO caption file/,
  /a list of 0/,
);
refuses('a file that is not there', () => evaluate(join(folder, 'none.json'), groundTruth), /no such file/);
