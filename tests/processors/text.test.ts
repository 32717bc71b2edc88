import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadTextProcessor } from '#src/processors/index.js';
import { fixtureJson } from '../support.js';

interface Run {
  processor: string;
  prompt?: string | null;
  max_words: number;
  cases: [string, string][];
}
const { processors } = fixtureJson<{ processors: Run[] }>('text', 'processors.json');

for (const { processor, prompt, max_words, cases } of processors) {
  const keys = processor === 'blip_caption' ? { prompt, max_words } : { max_words };
  test(`${processor} with ${JSON.stringify(keys)} gives the reference's ${cases.length} texts`, () => {
    const subject = loadTextProcessor(processor, { name: processor, ...keys });
    for (const [raw, processed] of cases) assert.equal(subject.apply(raw), processed, JSON.stringify(raw));
  });
}

test('base_processor leaves a text as it is', () => {
  assert.equal(loadTextProcessor('base_processor').apply(' A "b". '), ' A "b". ');
});
