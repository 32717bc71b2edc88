import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hashPictures } from '#src/runs/remember/picture_hashes.js';
import { storeFolder } from '#src/runs/remember/store.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const before = process.env.LAVIS_CACHE_ROOT;
process.env.LAVIS_CACHE_ROOT = folder;
mkdirSync(storeFolder(), { recursive: true });
after(() => {
  if (before === undefined) delete process.env.LAVIS_CACHE_ROOT;
  else process.env.LAVIS_CACHE_ROOT = before;
});

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);
const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  utimesSync(path, 1000, 1000);
  return path;
};
const journal = () => readFileSync(join(storeFolder(), 'pictures.jsonl'), 'utf8').trim().split('\n').length;

test('pictures are known by their content, and looked at again where size or time changed', async () => {
  const [one, two] = [file('one.png', 'first'), file('two.png', 'second')];
  const odd = file('naïve \u{1f600}.png', 'first');
  const missing = join(folder, 'missing.png');
  const hashes = await hashPictures([one, two, odd, missing]);
  assert.deepEqual(
    [...hashes],
    [
      [one, hashOf('first')],
      [two, hashOf('second')],
      [odd, hashOf('first')],
    ],
  );
  assert.equal(journal(), 3);

  // The same size and time: taken for the same, unread.
  file('two.png', 'SECOND');
  assert.equal((await hashPictures([two])).get(two), hashOf('second'));
  utimesSync(two, 2000, 2000);
  assert.equal((await hashPictures([two])).get(two), hashOf('SECOND'));
  const moved = join(folder, 'moved.png');
  renameSync(one, moved);
  assert.deepEqual([...(await hashPictures([one, moved]))], [[moved, hashOf('first')]]);
  assert.equal(journal(), 5);
});

test('the journal is written anew where most of its lines are of the past', async () => {
  const path = file('changing.png', 'x');
  writeFileSync(
    join(storeFolder(), 'pictures.jsonl'),
    `${JSON.stringify({ path, size: 0, mtime: 0, hash: 'old' })}\n`.repeat(1100),
  );
  assert.equal((await hashPictures([path])).get(path), hashOf('x'));
  assert.equal(journal(), 1);
});
