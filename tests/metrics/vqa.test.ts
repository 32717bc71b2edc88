import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { type VqaAnnotations, type VqaQuestions, type VqaResult, vqaEvaluate } from '#src/metrics/index.js';
import { normalizePunctuation, normalizeWords } from '#src/metrics/vqa/normalize.js';
import { fixtureJson } from '../support.js';

interface Fixture {
  annotations: VqaAnnotations;
  questions: VqaQuestions;
  results: VqaResult[];
  accuracy: {
    overall: number;
    perQuestionType: Record<string, number>;
    perAnswerType: Record<string, number>;
  };
  per_question: Record<string, number>;
  strings: { in: string; punctuation: string; digit_article: string; both: string }[];
}

const reference = fixtureJson<Fixture>('tiny_vqa', 'vqa_eval.json');

test('answers are scored as the official scorer does: overall, by type, and each', () => {
  const { perQuestion, ...accuracy } = vqaEvaluate(
    reference.results,
    reference.annotations,
    reference.questions,
  );
  assert.deepEqual(accuracy, reference.accuracy);
  const each = Object.fromEntries([...perQuestion].map(([id, value]) => [String(id), value]));
  assert.deepEqual(each, reference.per_question);
});

test('strings are normalised as the official scorer does', () => {
  for (const one of reference.strings) {
    assert.equal(normalizePunctuation(one.in), one.punctuation, one.in);
    assert.equal(normalizeWords(one.in), one.digit_article, one.in);
    assert.equal(normalizeWords(normalizePunctuation(one.in)), one.both, one.in);
  }
});

test('ids of questions meet whether they are written as numbers or as text', () => {
  const asText = reference.results.map((one) => ({ ...one, question_id: String(one.question_id) }));
  assert.equal(vqaEvaluate(asText, reference.annotations).overall, reference.accuracy.overall);
});

test('only 32 full stops are taken out', () => {
  assert.equal(normalizePunctuation('.'.repeat(40)), '.'.repeat(8));
});

test('answers to other questions, or to fewer, are refused with their ids', () => {
  const [first, ...rest] = reference.results;
  assert.throws(
    () => vqaEvaluate(rest, reference.annotations),
    (error) => error instanceof DataError && /no answer to 1 of 13 questions: 0/.test(error.message),
  );
  assert.throws(
    () => vqaEvaluate([...reference.results, { ...first, question_id: 99 }], reference.annotations),
    (error) =>
      error instanceof DataError && /1 answers to questions that are not there: 99/.test(error.message),
  );
});
