/**
 * Dawn tells of finished work from a function that it hands to `setImmediate` while something is pending.
 * This keeps that function, so that a caller may wait for the GPU without leaving its own function:
 * TensorFlow.js's `dataSync`, which the browsers' WebGPU cannot do.
 */
export class EventPump {
  #tick: (() => void) | undefined;
  #scheduled = false;
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));

  /** Runs a call of Dawn that begins asynchronous work. */
  call<T>(begin: () => T): T {
    const result = this.#catching(begin);
    this.#schedule();
    return result;
  }

  /** Handles events until `done`. @returns false where nothing is pending that could ever end it */
  waitUntil(done: () => boolean): boolean {
    for (let polls = 0; !done(); polls++) {
      const tick = this.#tick;
      if (!tick) return false;
      this.#tick = undefined;
      this.#catching(tick);
      // Short waits spin, longer ones leave the core to others.
      if (polls > 100) Atomics.wait(this.#pause, 0, 0, 0.1);
    }
    this.#schedule();
    return true;
  }

  #catching<T>(f: () => T): T {
    const { setImmediate } = globalThis;
    globalThis.setImmediate = ((tick: () => void) => {
      this.#tick = tick;
    }) as unknown as typeof setImmediate;
    try {
      return f();
    } finally {
      globalThis.setImmediate = setImmediate;
    }
  }

  /** Lets Node's event loop handle what is still pending. */
  #schedule(): void {
    if (this.#scheduled || !this.#tick) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const tick = this.#tick;
      this.#tick = undefined;
      if (tick) this.#catching(tick);
      this.#schedule();
    });
  }
}
