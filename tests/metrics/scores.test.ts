import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { scoreTokenized } from '#src/metrics/index.js';
import { fixtureJson } from '../support.js';

interface Captions {
  references: Record<string, string[]>;
  hypotheses: Record<string, string>;
}
interface Reference {
  name: string;
  image_ids: string[];
  corpus: Record<string, number>;
  per_image: Record<string, Record<string, number>>;
}
const captions = fixtureJson<Captions>('metrics', 'captions.json');
const { scores } = fixtureJson<{ scores: Reference[] }>('metrics', 'scores.json');
const METRICS = ['Bleu_1', 'Bleu_2', 'Bleu_3', 'Bleu_4', 'ROUGE_L', 'CIDEr'];

function near(actual: number, expected: number, what: string) {
  assert.ok(Math.abs(actual - expected) <= 1e-9, `${what}: ${actual} where the reference has ${expected}`);
}

const references = new Map(Object.entries(captions.references));
const asList = (caption: string | string[]) => (typeof caption === 'string' ? [caption] : caption);
const first = scores.length - 1;

for (const [i, reference] of scores.entries()) {
  test(`corpus and image scores of "${reference.name}" are the reference's`, () => {
    const hypotheses = new Map(
      reference.image_ids.map((id) => [
        id,
        i === first ? [captions.references[id][0]] : asList(captions.hypotheses[id]),
      ]),
    );
    const { overall, perImage } = scoreTokenized(references, hypotheses);
    assert.deepEqual(Object.keys(overall), [...METRICS, 'agg_metrics']);
    for (const [name, value] of Object.entries(reference.corpus)) near(overall[name], value, name);
    assert.deepEqual([...perImage.keys()], reference.image_ids);
    for (const id of reference.image_ids) {
      for (const name of METRICS)
        near(perImage.get(id)![name], reference.per_image[id][name], `${id} ${name}`);
    }
  });
}

interface EdgeCase {
  references: string[][];
  hypotheses: string[];
  corpus: Record<string, number>;
  per_image: Record<string, number>[];
}

test("empty captions, lone and repeated references and hard spaces score as the reference's", () => {
  const cases = fixtureJson<EdgeCase[]>('metrics', 'edge_cases.json');
  assert.equal(cases.length, 30);
  for (const [k, { references, hypotheses, corpus, per_image }] of cases.entries()) {
    const { overall, perImage } = scoreTokenized(
      new Map(references.entries()),
      new Map(hypotheses.map((hypothesis, i) => [i, [hypothesis]])),
    );
    for (const name of METRICS) {
      near(overall[name], corpus[name], `case ${k}, ${name}`);
      for (const [i, expected] of per_image.entries()) {
        near(perImage.get(i)![name], expected[name], `case ${k}, image ${i}, ${name}`);
      }
    }
  }
});

test('the shorter of two equally near reference lengths counts', () => {
  const score = (references: string[]) =>
    scoreTokenized(new Map([[1, references]]), new Map([[1, ['a b c d']]])).overall.Bleu_1;
  assert.ok(Math.abs(score(['a b c d e f', 'a b']) - 1) < 1e-6, 'no brevity penalty against 2 tokens');
  assert.ok(Math.abs(score(['a b c d e f']) - Math.exp(1 - 6 / 4)) < 1e-6);
});

test('a corpus of one image has a CIDEr of 0', () => {
  const { overall } = scoreTokenized(new Map([['x', ['a dog']]]), new Map([['x', ['a dog']]]));
  assert.equal(overall.CIDEr, 0);
  assert.equal(overall.agg_metrics, overall.Bleu_4);
});

test('a token with a hard space is two words for BLEU and one for ROUGE, as in Python', () => {
  const { overall } = scoreTokenized(new Map([[1, ['1\u00A01/2 cups']]]), new Map([[1, ['1 1/2 cups']]]));
  assert.ok(overall.Bleu_3 > 0.999);
  assert.ok(overall.ROUGE_L < 0.5);
});

test('images without a reference, or with two captions, are refused', () => {
  assert.throws(() => scoreTokenized(new Map(), new Map([[7, ['a']]])), DataError);
  assert.throws(() => scoreTokenized(new Map([[7, ['a']]]), new Map([[7, ['a', 'b']]])), /image 7 has 2/);
  assert.throws(() => scoreTokenized(new Map(), new Map()), /no captions/);
});
