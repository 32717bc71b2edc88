import { HttpError } from './http_error.js';
import type { Batch, Outcome, Progress, Use, Uses } from './protocol.js';

/** One request on its way to a model. */
export interface Job<U extends Use = Use> {
  use: U;
  model: string;
  shared: Uses[U]['shared'];
  item: Uses[U]['item'];
  /** It is carried out alone: what comes of it depends on its place in a batch. */
  alone?: boolean;
}

export interface JobOptions {
  /** Aborted when nobody waits for the result any more. */
  signal: AbortSignal;
  onStart?: () => void;
  onProgress?: (progress: Progress) => void;
}

export interface QueueOptions {
  /** Requests of a batch at most. */
  maxBatch: number;
  /** Milliseconds that a request waits for others while a worker is idle. */
  maxWait: number;
  /** How many batches can be carried out now. */
  idle: () => number;
  run: (
    batch: Batch,
    options: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ) => Promise<Outcome[]>;
  /** Hears of each batch that is sent off, and of its requests' milliseconds in the queue. */
  onBatch?: (batch: Batch, waited: readonly number[]) => void;
}

interface Waiting {
  job: Job;
  options: JobOptions;
  since: number;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

/**
 * Requests in line, oldest first. Those of one model that have the same settings are put into one batch, which is sent
 * off when it is full, or when its oldest has waited long enough; while all workers are at work, batches grow.
 * A request whose client has gone leaves the line at once, and a batch that nobody waits for is told so.
 */
export class BatchQueue {
  /** By what makes requests go together; each lane in order of arrival. */
  readonly #lanes = new Map<string, Waiting[]>();
  #timer?: NodeJS.Timeout;
  #alone = 0;
  #waiting = 0;
  #running = 0;

  constructor(private readonly options: QueueOptions) {}

  /** Requests that wait for their batch. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Requests whose batch is being carried out. */
  get running(): number {
    return this.#running;
  }

  /** @throws HttpError for a request that fails; the reason of `signal` where it is aborted */
  async add<U extends Use>(job: Job<U>, options: JobOptions): Promise<Uses[U]['result']> {
    options.signal.throwIfAborted();
    const key = job.alone ? `alone ${this.#alone++}` : JSON.stringify([job.model, job.use, job.shared]);
    let leave: (() => void) | undefined;
    try {
      const outcome = await new Promise<Outcome>((resolve, reject) => {
        const one: Waiting = { job: job as Job, options, since: performance.now(), resolve, reject };
        this.#join(key, one);
        leave = () => {
          this.#leave(key, one);
          reject(options.signal.reason);
        };
        options.signal.addEventListener('abort', leave, { once: true });
        this.pump();
      });
      if ('error' in outcome) throw HttpError.of(outcome.error);
      return outcome.value as Uses[U]['result'];
    } finally {
      if (leave) options.signal.removeEventListener('abort', leave);
    }
  }

  /** Sends off what can be sent; called again whenever a worker gets idle. */
  pump(): void {
    clearTimeout(this.#timer);
    while (this.options.idle() > 0) {
      const [key, lane] = this.#oldestReady() ?? [];
      if (key === undefined || !lane) return;
      const some = lane.splice(0, this.options.maxBatch);
      if (lane.length === 0) this.#lanes.delete(key);
      this.#waiting -= some.length;
      void this.#send(some);
    }
  }

  #join(key: string, one: Waiting): void {
    const lane = this.#lanes.get(key);
    if (lane) lane.push(one);
    else this.#lanes.set(key, [one]);
    this.#waiting++;
  }

  #leave(key: string, one: Waiting): void {
    const lane = this.#lanes.get(key);
    const place = lane?.indexOf(one) ?? -1;
    if (!lane || place < 0) return;
    lane.splice(place, 1);
    if (lane.length === 0) this.#lanes.delete(key);
    this.#waiting--;
  }

  /** The lane that has waited longest of those that may go; else a timer is set for the first that will. */
  #oldestReady(): [string, Waiting[]] | undefined {
    const { maxBatch, maxWait } = this.options;
    const lanes = [...this.#lanes].sort(([, [a]], [, [b]]) => a.since - b.since);
    const now = performance.now();
    const due = (lane: Waiting[]) => lane[0].since + maxWait;
    const ready = lanes.find(([, lane]) => lane.length >= maxBatch || lane[0].job.alone || due(lane) <= now);
    if (!ready && lanes.length > 0) {
      this.#timer = setTimeout(() => this.pump(), Math.max(1, Math.ceil(due(lanes[0][1]) - now)));
    }
    return ready;
  }

  async #send(some: Waiting[]): Promise<void> {
    this.#running += some.length;
    const [{ job }] = some;
    const batch: Batch = {
      use: job.use,
      model: job.model,
      shared: job.shared,
      items: some.map((one) => one.job.item),
    };
    const now = performance.now();
    this.options.onBatch?.(
      batch,
      some.map(({ since }) => now - since),
    );
    for (const { options } of some) options.onStart?.();
    try {
      const outcomes = await this.options.run(batch, {
        signal: whenAllAbort(some.map(({ options }) => options.signal)),
        onProgress: (progress) => some[progress.item].options.onProgress?.(progress),
      });
      for (const [i, { resolve }] of some.entries()) resolve(outcomes[i]);
    } catch (thrown) {
      for (const { reject } of some) reject(thrown);
    } finally {
      this.#running -= some.length;
      this.pump();
    }
  }
}

/** Aborted when all are. */
function whenAllAbort(signals: readonly AbortSignal[]): AbortSignal {
  const all = new AbortController();
  let left = signals.length;
  for (const signal of signals) {
    const count = () => {
      if (--left === 0) all.abort(signal.reason);
    };
    if (signal.aborted) count();
    else signal.addEventListener('abort', count, { once: true });
  }
  return all.signal;
}
