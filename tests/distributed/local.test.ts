import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { temporaryFolder } from '../support.js';
import { type RankResult, runRanks, workerFile } from './ranks.js';

interface Sum {
  rank: number;
  length: number;
  worst: number;
  digest: number;
}
const LENGTHS = ['0', '1', '2', '5', '1000', '70001', '3000003'];
const errors = (results: RankResult[]) =>
  results.flatMap(({ values }) => values as { rank: number; error: string }[]).filter((v) => v.error);

for (const ranks of [2, 3]) {
  test(`${ranks} ranks end with the same bits of a sum, right to float32`, async () => {
    const results = await runRanks(ranks, 'collectives', ['sums', ...LENGTHS]);
    const first = results[0].values as Sum[];
    assert.equal(first.length, LENGTHS.length, results[0].output);
    for (const { code, values, output } of results) {
      assert.equal(code, 0, output);
      for (const [i, { digest, worst }] of (values as Sum[]).entries()) {
        assert.equal(digest, first[i].digest);
        assert.ok(worst < 2e-7, `relative difference ${worst}`);
      }
    }
  });
}

for (const [ranks, mapped] of [
  [2, true],
  [3, true],
  [2, false],
] as const) {
  const how = mapped ? 'summed where they are' : 'plain where files cannot be mapped';
  test(`the communicator's own arrays, ${how}, give ${ranks} ranks the same bits`, async () => {
    const results = await runRanks(ranks, 'collectives', ['shared', ...LENGTHS], {
      env: mapped ? {} : { LAVIS_MAP_MEMORY: '0' },
    });
    type Shared = Sum & { whole: boolean };
    const first = results[0].values as Shared[];
    assert.equal(first.length, 4 * LENGTHS.length, results[0].output);
    for (const { code, values, output } of results) {
      assert.equal(code, 0, output);
      for (const [i, { length, digest, worst, whole }] of (values as Shared[]).entries()) {
        const same = first.find((other) => other.length === length)!;
        assert.equal(digest, same.digest, `${i}: ${length}`);
        assert.ok(worst < 4e-7, `relative difference ${worst}`);
        assert.equal(whole, mapped);
      }
    }
  });
}

test('broadcast, barrier and gather of any values, queued without waiting', async () => {
  const results = await runRanks(3, 'collectives', ['mixture']);
  for (const { code, values, output } of results) {
    assert.equal(code, 0, output);
    const expected = { bytes: true, ranks: [0, 1, 2], typed: true, answer: 'from rank 0' };
    assert.deepEqual(values, [expected]);
  }
});

test('another size, name or operation on one rank ends all with both calls named', async () => {
  for (const [kind, text] of [
    ['size', /this rank: allReduce 'gradients' of 32 bytes\n.*rank 1: allReduce 'gradients' of 36 bytes/],
    ['name', /rank 1: allReduce 'something else' of 32 bytes/],
    ['operation', /rank 1: barrier 'the end'/],
  ] as const) {
    const results = await runRanks(3, 'collectives', ['mismatch', kind]);
    const all = errors(results);
    assert.equal(all.length, 3, results.map(({ output }) => output).join('\n'));
    for (const { error } of all) assert.match(error, /the ranks are at different calls|left while others/);
    assert.match(all.find(({ rank }) => rank === 0)!.error, text);
  }
});

test('a rank that hangs is named, with the call it was last seen in, when the time is over', async () => {
  const results = await runRanks(3, 'collectives', ['hang'], {
    env: { TEST_TIMEOUT: '4' },
    onStart: (children) => {
      children[0].once('close', () => children[1].kill('SIGKILL'));
    },
  });
  const [first] = errors(results);
  assert.equal(first.rank, 0);
  assert.match(first.error, /rank 1 did not come to barrier 'second' in 4 s/);
  assert.match(first.error, /rank 1 was last seen \d+ s ago in barrier 'first'/);
  assert.ok(results[0].seconds < 20, `${results[0].seconds} s`);
});

test('a rank that is killed is noticed at once, and named', async () => {
  const results = await runRanks(3, 'collectives', ['die']);
  assert.equal(results[1].signal, 'SIGKILL');
  for (const rank of [0, 2]) {
    assert.equal(results[rank].code, 3, results[rank].output);
    assert.match(results[rank].output, /rank(s)? 1.* left while others were in allReduce 'step/);
  }
});

test('a rank that has said goodbye is not waited for', async () => {
  const results = await runRanks(2, 'collectives', ['early']);
  assert.match(errors(results)[0].error, /rank 1 (said goodbye|ended)/);
});

test('a rank that dies in its work, while others wait for its results or its download, is named', async () => {
  for (const [scenario, call] of [
    ['evaluate', "allGather 'results'"],
    ['download', "allGather 'rank 0 downloads the weights'"],
  ]) {
    const results = await runRanks(2, 'collectives', [scenario]);
    const [survivor] = errors(results);
    assert.match(survivor.error, new RegExp(`rank ${1 - survivor.rank} left while others were in ${call}`));
  }
});

test('what fails on rank 0 fails on all ranks with its message', async () => {
  const results = await runRanks(2, 'collectives', ['zeroFails']);
  for (const { error } of errors(results)) assert.match(error, /no network here/);
  assert.equal(errors(results).length, 2);
});

test('two runs cannot meet in one folder', async () => {
  const results = await runRanks(2, 'collectives', ['sums'], {
    env: { RANK: '0', LOCAL_RANK: '0', WORLD_SIZE: '2', TEST_TIMEOUT: '5' },
  });
  assert.match(
    results.map(({ output }) => output).join('\n'),
    /another rank 0 is meeting in the same folder/,
  );
});

test('a rank that fails after the meeting leaves it, though its process lives on', async () => {
  const results = await runRanks(2, 'meeting', [], {
    onStart: ([first, second]) => first.once('close', () => second.kill('SIGKILL')),
  });
  const [zero, one] = errors(results);
  assert.match(one.error, /ENOENT.*\/nowhere\/memory/, results[1].output);
  assert.match(zero.error, /rank 1 left while others were in barrier 'all'/, results[0].output);
});

test('who is waited for is said while there is time', async () => {
  const [{ output }] = await runRanks(1, 'collectives', ['sums'], {
    env: { WORLD_SIZE: '3', TEST_TIMEOUT: '6' },
  });
  assert.match(output, /rank 0 of 3 waits for ranks 1 and 2, for up to 6 s[\s\S]*did not join/);
});

test('several workers are refused on Windows, in words, by the launcher and by each', async () => {
  const windows = "data:text/javascript,Object.defineProperty(process,'platform',{value:'win32'})";
  const env = { NODE_OPTIONS: `--import=${windows}`, TEST_TIMEOUT: '5' };
  const refusal = /several workers are not supported on Windows\n[\s\S]*wsl --install/;
  for (const { output } of await runRanks(2, 'collectives', ['sums', '1'], { env })) {
    assert.match(output, refusal);
  }
  const launcher = spawnSync(
    process.execPath,
    [workerFile('launcher'), '2', '0', 'well', temporaryFolder()],
    {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    },
  );
  assert.match(launcher.stderr, refusal);
});

test('ranks that never start are named', async () => {
  const [{ output }] = await runRanks(1, 'collectives', ['sums'], {
    env: { WORLD_SIZE: '3', TEST_TIMEOUT: '1' },
  });
  assert.match(output, /ranks 1 and 2 did not join within 1 s/);
});
