import { DistributedError } from '../common/errors.js';
import type { CallOptions } from './communicator.js';

export type Operation = 'allReduce' | 'broadcast' | 'allGather' | 'barrier';

/** What a rank asks for; ranks compare it before any of them touches data. */
export interface Call {
  /** The how manieth call of this communicator, from 0. */
  readonly sequence: number;
  readonly operation: Operation;
  readonly name: string;
  /** Bytes; -1 where ranks may differ. */
  readonly size: number;
  /** On the clock of `performance.now()`. */
  readonly deadline: number;
  readonly timeoutSeconds: number;
}

export function describe({ operation, name, size }: Pick<Call, 'operation' | 'name' | 'size'>): string {
  return `${operation} '${name}'${size > 0 ? ` of ${size} bytes` : ''}`;
}

export const sameCall = (a: Pick<Call, 'operation' | 'name' | 'size'>, b: typeof a): boolean =>
  a.operation === b.operation && a.name === b.name && a.size === b.size;

/** Lets calls run one after the other, in the order they were made, until the first one fails. */
export class CallQueue {
  readonly #timeoutSeconds: number;
  #sequence = 0;
  #last: Promise<unknown> = Promise.resolve();
  #failure: unknown;
  #closed = false;

  constructor(timeoutSeconds: number) {
    this.#timeoutSeconds = timeoutSeconds;
  }

  /** @param run makes the call; its deadline begins when its turn has come. */
  add<T>(
    what: Pick<Call, 'operation' | 'name' | 'size'>,
    options: CallOptions | undefined,
    run: (call: Call) => Promise<T>,
  ): Promise<T> {
    const timeoutSeconds = options?.timeoutSeconds ?? this.#timeoutSeconds;
    const sequence = this.#sequence++;
    const turn = this.#last.then(async () => {
      if (this.#closed) throw new DistributedError(`${describe(what)} came after close()`);
      if (this.#failure) throw this.#failure;
      const deadline = performance.now() + timeoutSeconds * 1000;
      try {
        return await run({ ...what, sequence, deadline, timeoutSeconds });
      } catch (error) {
        this.#failure = error;
        throw error;
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Waits for the calls made so far and refuses later ones. @returns whether all went well. */
  async close(): Promise<boolean> {
    await this.#last;
    this.#closed = true;
    return this.#failure === undefined;
  }
}

/** "rank 3", "ranks 1, 2 and 5" */
export function ranksText(ranks: readonly number[]): string {
  if (ranks.length === 1) return `rank ${ranks[0]}`;
  return `ranks ${ranks.slice(0, -1).join(', ')} and ${ranks.at(-1)}`;
}
