import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { RunInterrupted } from '#src/common/errors.js';
import { StopSignal } from '#src/runners/signals.js';

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`the first ${signal} is noted, the second is left to the system`, async () => {
    const listeners = () => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');
    const before = listeners();
    const stop = new StopSignal();
    assert.equal(stop.received, undefined);
    assert.equal(listeners(), before + 2);
    process.kill(process.pid, signal);
    for (let turn = 0; turn < 1000 && !stop.received; turn++) await setImmediate();
    assert.equal(stop.received, signal);
    assert.equal(listeners(), before, 'nobody listens any more: the next one ends the process');
    assert.equal(new RunInterrupted(signal).exitCode, exitCode);
  });
}

test('a run that is over listens to no signal', () => {
  const before = process.listenerCount('SIGTERM');
  new StopSignal().release();
  assert.equal(process.listenerCount('SIGTERM'), before);
});
