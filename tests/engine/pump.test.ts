import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { EventPump } from '#src/engine/webgpu/pump.js';

test('everything that a call hands to setImmediate is run, in its order, with what it was given', () => {
  const pump = new EventPump();
  const ran: string[] = [];
  pump.call(() => {
    setImmediate((name: string) => ran.push(name), 'first');
    setImmediate(() => {
      ran.push('second');
      setImmediate(() => ran.push('third'));
    });
  });
  assert.equal(
    pump.waitUntil(() => ran.includes('third')),
    true,
  );
  assert.deepEqual(ran, ['first', 'second', 'third']);
  assert.equal(
    pump.waitUntil(() => false),
    false,
    'nothing is pending',
  );
});

test('what is pending is left to the event loop, and one that throws takes none with it', async () => {
  const pump = new EventPump();
  const ran: string[] = [];
  pump.call(() => {
    setImmediate(() => {
      throw new Error('lost');
    });
    setImmediate(() => ran.push('kept'));
  });
  assert.throws(() => pump.waitUntil(() => ran.length > 0), /lost/);
  assert.equal(
    pump.waitUntil(() => ran.length > 0),
    true,
  );
  pump.call(() => setImmediate(() => ran.push('later')));
  while (!ran.includes('later')) await nextTurn();
  assert.deepEqual(ran, ['kept', 'later']);
});
