/** A helper of AdamW's update: see adamw_helpers.ts. */
import { workerData } from 'node:worker_threads';
import { findViewMemory, type ViewMemory } from '../../../common/foreign_memory.js';
import { leavesSoon, STATE } from './adamw_helpers.js';
import { type AdamWArrays, updateInLoop } from './adamw_loop.js';

const { state, task } = workerData as { state: Int32Array; task: Float64Array };
const view = findViewMemory();

/** Windows on the main thread's memory, by address and length; it uses its memory again and again. */
const windows = new Map<string, Float32Array>();

function windowOn(address: number, count: number): Float32Array {
  const key = `${address} ${count}`;
  let array = windows.get(key);
  if (!array) {
    if (windows.size > 10_000) windows.clear();
    array = new Float32Array((view as ViewMemory)(BigInt(address), count * 4));
    windows.set(key, array);
  }
  return array;
}

function finish(result: number): void {
  Atomics.store(state, 0, result);
  Atomics.notify(state, 0);
}

// Without a view of the main thread's memory this one never takes part, and the main thread updates all.
finish(view ? STATE.idle : STATE.failed);
while (view) {
  // The next parameter follows at once. A notice that comes late, after its task is done, must not have the task done twice.
  if (!leavesSoon(state, STATE.idle))
    while (Atomics.load(state, 0) === STATE.idle) Atomics.wait(state, 0, STATE.idle);
  const [p, g, m, v, count, beta1, beta2, eps, stepSize, rootCorrection, shrink] = task;
  try {
    const arrays = [p, g, m, v].map((address) => windowOn(address, count)) as AdamWArrays;
    updateInLoop(arrays, { beta1, beta2, eps, stepSize, rootCorrection, shrink });
    finish(STATE.idle);
  } catch (error) {
    finish(STATE.failed);
    throw error;
  }
}
