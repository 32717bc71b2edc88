/** Threads that update parameters beside the main one, over its memory. */
import { Worker } from 'node:worker_threads';
import { EngineError, messageOf } from '../../../common/errors.js';
import { log } from '../../../common/logging.js';
import type { AdamWAttrs } from '../../fused/adamw.js';
import type { AdamWArrays } from './adamw_loop.js';

/** What a helper is at; it waits while idle, the main thread while busy. */
export const STATE = { starting: 0, idle: 1, busy: 2, failed: 3 } as const;

/** Places of a task's numbers: 4 addresses, the count, 6 constants. */
export const TASK_LENGTH = 11;

/** Memory passes faster over few threads than one, not faster over many than a few. */
const MOST_HELPERS = 7;

/** A helper that takes longer than this is given up, twice in a row: its part takes milliseconds. */
const PATIENCE_MS = 60_000;

/** How long a thread looks again and again before it sleeps: waking it takes as long as an update. */
const SPIN_MS = 1;

interface Helper {
  state: Int32Array;
  task: Float64Array;
}

export class AdamWHelpers {
  readonly #helpers: Helper[];

  constructor(threads: number) {
    this.#helpers = Array.from({ length: Math.min(threads - 1, MOST_HELPERS) }, startHelper);
  }

  /** Helpers that wait for work; they take a moment to start. */
  get ready(): number {
    return this.#helpers.filter(({ state }) => Atomics.load(state, 0) === STATE.idle).length;
  }

  /** Runs `work` on this thread while each helper updates its part; returns when all are done. */
  run(
    parts: AdamWArrays[],
    attrs: AdamWAttrs,
    addressOf: (x: Float32Array) => number,
    work: () => void,
  ): void {
    const idle = this.#helpers.filter(({ state }) => Atomics.load(state, 0) === STATE.idle);
    const busy = parts.map((arrays, i) => {
      const { state, task } = idle[i];
      task.set([
        ...arrays.map(addressOf),
        arrays[0].length,
        attrs.beta1,
        attrs.beta2,
        attrs.eps,
        attrs.stepSize,
        attrs.rootCorrection,
        attrs.shrink,
      ]);
      Atomics.store(state, 0, STATE.busy);
      Atomics.notify(state, 0);
      return state;
    });
    work();
    for (const state of busy) {
      waitWhileBusy(state);
      if (Atomics.load(state, 0) === STATE.idle) continue;
      throw new EngineError("a thread of AdamW's update failed: the weights are half updated", {
        found: Atomics.load(state, 0) === STATE.busy ? 'no answer' : 'the thread ended with an error',
        help: 'go on from the newest checkpoint: lavis train --resume',
      });
    }
  }
}

/** Whether the state is left within a moment, which is shorter than a sleep. */
export function leavesSoon(state: Int32Array, value: number): boolean {
  const end = performance.now() + SPIN_MS;
  do {
    for (let look = 0; look < 200; look++) if (Atomics.load(state, 0) !== value) return true;
  } while (performance.now() < end);
  return false;
}

/**
 * Waits until a helper is done. It may be woken by the notice of an earlier task, whose helper was held up
 * before it gave it. A process that was stopped (Ctrl-Z) finds its first patience used up, not its second.
 */
export function waitWhileBusy(state: Int32Array, patienceMs = PATIENCE_MS): void {
  if (leavesSoon(state, STATE.busy)) return;
  for (let patience = 2; patience > 0 && Atomics.load(state, 0) === STATE.busy; ) {
    if (Atomics.wait(state, 0, STATE.busy, patienceMs) === 'timed-out') patience--;
  }
}

function startHelper(): Helper {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const task = new Float64Array(new SharedArrayBuffer(8 * TASK_LENGTH));
  const worker = new Worker(new URL('./adamw_worker.js', import.meta.url), { workerData: { state, task } });
  worker.on('error', (error) => {
    log.debug(`a thread of AdamW's update ended: ${messageOf(error)}`);
    Atomics.store(state, 0, STATE.failed);
    Atomics.notify(state, 0);
  });
  worker.unref();
  return { state, task };
}
