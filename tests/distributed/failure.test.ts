import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  culpritOf,
  describeFailure,
  type Ending,
  exitCodeOf,
  failuresOf,
} from '#src/distributed/launch/failure.js';

const ending = (rank: number, more: Partial<Ending> = {}): Ending => ({
  ...{ rank, code: 1, signal: null, asked: false, consequence: false, lastLines: [], text: undefined },
  ...more,
});
const error = 'DataError: no images\n  where:   ./images\n';
const left = 'DistributedError: rank 2 left\n';

test('one error for all ranks, and what became of the others in one line', () => {
  const endings = [
    ending(3, { text: left, consequence: true }),
    ending(2, { text: error }),
    ending(0, { text: 'DataError: no images\n  where:   ./other\n' }),
    ending(1, { code: null, signal: 'SIGTERM', asked: true }),
  ];
  assert.equal(
    describeFailure(endings),
    `rank 2 of 4 failed first (exit code 1), 1 other likewise, 2 others ended because of it:\n${error}`,
  );
  assert.equal(culpritOf(failuresOf(endings)), endings[1]);
});

test('an error of another kind is told as well, before the first one', () => {
  const endings = [ending(1, { text: error }), ending(0, { text: 'CheckpointError: no room\n' })];
  assert.equal(
    describeFailure(endings),
    `rank 0 failed too: CheckpointError: no room\nrank 1 of 2 failed first (exit code 1):\n${error}`,
  );
});

test('a worker that could say nothing is named by how it ended and its last lines', () => {
  const killed = ending(1, { code: null, signal: 'SIGKILL', lastLines: ['starts', 'Error: bus', 'at x'] });
  const endings = [ending(0, { text: left, consequence: true }), killed, ending(2, { code: 0 })];
  assert.equal(
    describeFailure(endings),
    'rank 1 of 3 failed first (killed by SIGKILL), 1 other ended because of it:\n  Error: bus\n  at x\n',
  );
  assert.equal(exitCodeOf(killed), 137);
  assert.equal(describeFailure([ending(0, { code: 3 })]), 'rank 0 of 1 failed first (exit code 3)\n');
});

test('workers that ended well, or were asked to, have not failed', () => {
  const asked = ending(0, { asked: true });
  assert.deepEqual(failuresOf([ending(1, { code: 0 }), asked]), []);
});
