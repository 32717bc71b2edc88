/**
 * Dawn tells of finished work from functions that it hands to `setImmediate` while something is pending.
 * This keeps such functions, so that a caller may wait for the GPU without leaving its own function:
 * TensorFlow.js's `dataSync`, which the browsers' WebGPU cannot do.
 */
export class EventPump {
  readonly #ticks: (() => void)[] = [];
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
      if (this.#ticks.length === 0) return false;
      this.#tick();
      // Short waits spin, longer ones leave the core to others.
      if (polls > 100) Atomics.wait(this.#pause, 0, 0, 0.1);
    }
    this.#schedule();
    return true;
  }

  /** Runs what is kept; what that hands over is for the next time. */
  #tick(): void {
    for (let left = this.#ticks.length; left > 0; left--) this.#catching(this.#ticks.shift() as () => void);
  }

  #catching<T>(f: () => T): T {
    const { setImmediate } = globalThis;
    globalThis.setImmediate = ((tick: (...given: unknown[]) => void, ...given: unknown[]) => {
      this.#ticks.push(() => tick(...given));
    }) as unknown as typeof setImmediate;
    try {
      return f();
    } finally {
      globalThis.setImmediate = setImmediate;
    }
  }

  /** Lets Node's event loop handle what is still pending. */
  #schedule(): void {
    if (this.#scheduled || this.#ticks.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#tick();
      this.#schedule();
    });
  }
}
