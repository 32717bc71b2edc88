import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EvaluationResult, mergeResults, pythonJson } from '#src/tasks/index.js';
import { fixtureJson } from '../support.js';

interface Case {
  per_rank: EvaluationResult[][];
  remove_duplicate: string;
  merged: EvaluationResult[];
  merged_file_text: string;
}

const { cases } = fixtureJson<{ cases: Case[] }>('sampler', 'save_result.json');

for (const [i, { per_rank, remove_duplicate, merged, merged_file_text }] of cases.entries()) {
  test(`results of all ranks are merged as the reference merges them (case ${i})`, () => {
    assert.deepEqual(mergeResults(per_rank, remove_duplicate), merged);
    assert.equal(pythonJson(merged), merged_file_text);
  });
}

test('text beyond ASCII is written as Python writes it', () => {
  assert.equal(
    pythonJson({ caption: 'café "🐈"', n: 1.5, none: null }),
    String.raw`{"caption": "caf\u00e9 \"\ud83d\udc08\"", "n": 1.5, "none": null}`,
  );
});
