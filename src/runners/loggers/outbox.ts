import { setTimeout as wait } from 'node:timers/promises';

export interface OutboxOptions<T> {
  /** Sends some of what waits, the oldest first, and tells how many that were. @throws what is told to `onFailure` */
  send(waiting: readonly T[]): Promise<number>;
  /** Told of each attempt that failed; it is tried again later. */
  onFailure(thrown: unknown): void;
}

/** Milliseconds between two sendings: what comes meanwhile goes together. */
const PAUSE = 1000;
/** Between two attempts, first and at most. */
const BACKOFF = [2000, 300_000] as const;

/**
 * Sends things on without anybody waiting for it. What cannot be sent stays, and is tried again, ever more seldom; at the
 * end once more. Neither a pause nor a try that is to come keeps the process alive.
 */
export class Outbox<T> {
  readonly #waiting: T[] = [];
  readonly #options: OutboxOptions<T>;
  #sending?: Promise<void>;
  #failures = 0;
  #closing = new AbortController();

  constructor(options: OutboxOptions<T>) {
    this.#options = options;
  }

  /** How much was not sent yet. */
  get left(): number {
    return this.#waiting.length;
  }

  push(...items: readonly T[]): void {
    this.#waiting.push(...items);
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  /** Tries to send what is left; returns when all is sent, or an attempt failed. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#sending;
    this.#failures = 0;
    while (this.left > 0 && this.#failures === 0) await this.#sendSome();
  }

  async #sendAll(): Promise<void> {
    while (this.left > 0 && !this.#closing.signal.aborted) {
      await this.#sendSome();
      if (this.left > 0 || this.#failures === 0) await this.#rest();
    }
  }

  async #sendSome(): Promise<void> {
    try {
      this.#waiting.splice(0, await this.#options.send(this.#waiting));
      this.#failures = 0;
    } catch (thrown) {
      this.#failures++;
      this.#options.onFailure(thrown);
    }
  }

  async #rest(): Promise<void> {
    const [first, most] = BACKOFF;
    const pause = this.#failures === 0 ? PAUSE : Math.min(most, first * 2 ** (this.#failures - 1));
    await wait(pause, undefined, { ref: false, signal: this.#closing.signal }).catch(() => {});
  }
}
