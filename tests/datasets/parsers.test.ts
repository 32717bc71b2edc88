import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { shardPaths } from '#src/datasets/caption/shards/shards_caption.js';
import { type TarEntry, tarEntries } from '#src/datasets/caption/shards/tar.js';
import { parseDelimited } from '#src/datasets/own/delimited.js';
import { DataError } from '#src/index.js';
import { temporaryFolder } from '../support.js';

const cell = fc.string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r', ' ', '\t') });

test('any table survives being written as CSV and read', () => {
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 6 }), (rows) => {
      const quoted = rows.map((cells) => cells.map((c) => `"${c.replaceAll('"', '""')}"`).join(','));
      for (const end of ['\n', '\r\n']) {
        const kept = rows.filter((cells) => cells.some((c) => c !== ''));
        const read = parseDelimited(quoted.map((row) => row + end).join(''), ',', 'f.csv');
        assert.deepEqual(
          read.map(({ cells }) => cells),
          kept,
        );
      }
    }),
  );
});

test('rows know the lines they begin on', () => {
  const rows = parseDelimited('a,b\n"two\nlines",x\n\n , \ny,z', ',', 'f.csv');
  assert.deepEqual(
    rows.map(({ line }) => line),
    [1, 2, 6],
  );
  assert.deepEqual(
    parseDelimited('a\tb\n\n"x\ty"\n', '\t', 'f.tsv').map(({ line, cells }) => [line, ...cells]),
    [
      [1, 'a', 'b'],
      [3, 'x\ty'],
    ],
  );
});

test('a pattern of shards counts, lists and matches', () => {
  assert.deepEqual(shardPaths('/s/{08..11}.tar'), ['/s/08.tar', '/s/09.tar', '/s/10.tar', '/s/11.tar']);
  assert.deepEqual(shardPaths('/{a,b}/{0..1}.tar'), ['/a/0.tar', '/a/1.tar', '/b/0.tar', '/b/1.tar']);
  const folder = temporaryFolder();
  for (const name of ['b.tar', 'a.tar', 'a.txt', 'a+.tar', '._a.tar']) writeFileSync(`${folder}/${name}`, '');
  assert.deepEqual(
    shardPaths(`${folder}/*.tar`).map((path) => path.slice(folder.length)),
    ['/a+.tar', '/a.tar', '/b.tar'],
  );
});

async function list(path: string): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const entry of tarEntries(path)) entries.push(entry);
  return entries;
}

test('a damaged archive ends in an error that says so, or in the files it still has', async () => {
  const archive = pack();
  for (let i = 0; i < 6; i++)
    archive.entry({ name: `${'deep/'.repeat(i * 8)}${i}.txt` }, `text ${i}`.repeat(i * 40));
  archive.finalize();
  const whole = await buffer(archive);
  const path = `${temporaryFolder()}/x.tar`;
  writeFileSync(path, whole);
  const entries = await list(path);
  assert.deepEqual(
    entries.map(({ offset, size }) => whole.toString('utf8', offset, offset + size)),
    [0, 1, 2, 3, 4, 5].map((i) => `text ${i}`.repeat(i * 40)),
  );
  assert.equal(entries[5].name, `${'deep/'.repeat(40)}5.txt`);
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(whole.length), async (bytes, cut) => {
      const damaged = Buffer.from(whole.subarray(0, cut || whole.length));
      for (const [at, byte] of bytes) if (at < damaged.length) damaged[at] = byte;
      writeFileSync(path, damaged);
      try {
        for (const { offset, size } of await list(path)) assert.ok(offset + size <= damaged.length);
      } catch (error) {
        assert.ok(error instanceof DataError, String(error));
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(readFileSync(path));
});
