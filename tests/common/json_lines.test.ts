import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JsonLines } from '#src/common/json_lines.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

test('a journal is read as it was written, without what a kill left of its last line', async () => {
  const path = join(folder, 'journal.jsonl');
  const journal = new JsonLines(path);
  assert.deepEqual(await journal.read(), []);
  await journal.append([{ a: 1 }, { b: 'é\n' }]);
  await journal.append([]);
  await journal.append([{ c: [] }]);
  assert.equal(journal.count, 3);
  const whole = readFileSync(path);
  appendFileSync(path, '{"d": "é');
  const again = new JsonLines(path);
  assert.deepEqual(await again.read(), [{ a: 1 }, { b: 'é\n' }, { c: [] }]);
  assert.deepEqual(readFileSync(path), whole);
  await again.append([{ d: 4 }]);
  assert.deepEqual((await new JsonLines(path).read()).at(-1), { d: 4 });
});

test('a line that is not JSON, after a power cut, is one without an object', async () => {
  const path = join(folder, 'torn.jsonl');
  writeFileSync(path, '{"a":1}\n\0\0\0\n{"b":2}\n');
  const journal = new JsonLines(path);
  assert.deepEqual(await journal.read(), [{ a: 1 }, undefined, { b: 2 }]);
  await journal.rewrite([{ b: 2 }]);
  assert.equal(readFileSync(path, 'utf8'), '{"b":2}\n');
  assert.equal(journal.count, 1);
});
