import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bar } from '#src/common/progress.js';
import { clock } from '#src/common/words.js';

const DETAILS = [
  '30/120',
  'loss 1.2345',
  'lr 1.00e-4',
  '33 images/s',
  'data 2%',
  'mem 0.5 GB',
  'eta 0:10:00',
];

describe('the progress bar', () => {
  it('is filled as far as the round is done', () => {
    const line = bar('epoch 3', 0.25, DETAILS, 200);
    assert.match(line, /^epoch 3 {2}━{10}─{30} {3}25% {2}30\/120 {2}loss 1\.2345 .* eta 0:10:00$/);
  });

  it('never fills the line of any terminal, and gives up the step and the time left last', () => {
    for (let columns = 20; columns <= 200; columns++) {
      assert.ok(bar('epoch 3', 0.5, DETAILS, columns).length < columns, String(columns));
    }
    assert.match(bar('epoch 3', 0.5, DETAILS, 60), /━+─+ {3}50% {2}30\/120 .*eta 0:10:00$/);
    assert.doesNotMatch(bar('epoch 3', 0.5, DETAILS, 60), /mem/);
  });
});

describe('a duration', () => {
  it('is hours, minutes and seconds', () => {
    assert.deepEqual([0, 59.6, 3725, 360_000].map(clock), ['0:00:00', '0:01:00', '1:02:05', '100:00:00']);
  });
});
