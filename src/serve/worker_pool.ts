import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ConfigError, LavisError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { visibleGpus } from '../common/world.js';
import { workerDevices } from '../distributed/index.js';
import { HttpError } from './http_error.js';
import type { Batch, FromWorker, Loaded, Outcome, Progress, ToWorker, WorkerTask } from './protocol.js';

const ENTRY = fileURLToPath(new URL('./worker.js', import.meta.url));

/** Milliseconds until a worker that was lost is started anew; doubled each time that it is lost while it loads. */
const RESTART = { first: 500, most: 30_000 };

export interface PoolOptions {
  workers: number;
  task: Omit<WorkerTask, 'quiet'>;
  /** Milliseconds after which a batch is given up, its worker ended and another one started. */
  batchTimeout: number;
  /** Hears that a worker is idle again. */
  onIdle: () => void;
}

interface RunOptions {
  signal: AbortSignal;
  onProgress: (progress: Progress) => void;
}

interface Running extends RunOptions {
  id: number;
  resolve: (outcomes: Outcome[]) => void;
  reject: (error: unknown) => void;
  timer: NodeJS.Timeout;
}

/** Processes that each have all models; a batch goes to one that is idle. */
export class WorkerPool {
  readonly #workers: Worker[];
  #closed = false;

  constructor(private readonly options: PoolOptions) {
    const { workers, task } = options;
    const gpus = workers > 1 && task.device !== 'cpu' ? visibleGpus() : [];
    this.#workers = Array.from({ length: workers }, (_, place) => {
      const env =
        workers > 1 ? { ...process.env, ...workerDevices(workers, place, gpus, process.env) } : process.env;
      return new Worker({ task: { ...task, quiet: place > 0 }, env, batchTimeout: options.batchTimeout });
    });
  }

  /** Loads the models. @throws LavisError where one cannot be loaded */
  async start(): Promise<Loaded> {
    const [loaded] = await Promise.all(this.#workers.map((worker) => this.#launch(worker)));
    return loaded;
  }

  get idle(): number {
    return this.#workers.filter(({ isIdle }) => isIdle).length;
  }

  /** How many have their models. */
  get ready(): number {
    return this.#workers.filter(({ isReady }) => isReady).length;
  }

  get ids(): number[] {
    return this.#workers.flatMap(({ id }) => id ?? []);
  }

  get size(): number {
    return this.#workers.length;
  }

  /** Call while one is `idle`. @throws HttpError where the worker is lost, or takes too long */
  run(batch: Batch, options: RunOptions): Promise<Outcome[]> {
    return this.#workers.find(({ isIdle }) => isIdle)!.run(batch, options);
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  async #launch(worker: Worker): Promise<Loaded> {
    const loaded = await worker.start(() => void this.#restart(worker));
    this.options.onIdle();
    return loaded;
  }

  /** Starts a lost worker until it runs. */
  async #restart(worker: Worker): Promise<void> {
    for (let wait = RESTART.first; !this.#closed; wait = Math.min(2 * wait, RESTART.most)) {
      log.warn(`a worker of lavis serve was lost (${worker.lostBy}); another one is started`);
      await new Promise((done) => setTimeout(done, wait).unref());
      if (this.#closed) return;
      try {
        await this.#launch(worker);
        return;
      } catch (thrown) {
        log.warn(thrown instanceof Error ? thrown.message : String(thrown));
      }
    }
  }
}

interface WorkerOptions {
  task: WorkerTask;
  env: NodeJS.ProcessEnv;
  batchTimeout: number;
}

/** One process, or its successor. */
class Worker {
  isReady = false;
  /** How the last process ended. */
  lostBy = '';
  #child?: ChildProcess;
  #running?: Running;
  #ids = 0;

  constructor(private readonly options: WorkerOptions) {}

  get isIdle(): boolean {
    return this.isReady && !this.#running;
  }

  get id(): number | undefined {
    return this.#child?.pid;
  }

  /** @param onLost hears that the process ended after it had loaded. @throws LavisError where it cannot load */
  start(onLost: () => void): Promise<Loaded> {
    const child = fork(ENTRY, [], {
      env: this.options.env,
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    return new Promise((resolve, reject) => {
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'loaded') {
          this.isReady = true;
          resolve(message.loaded);
        } else if (message.kind === 'failed') {
          reject(failureOf(message));
          child.kill('SIGKILL');
        } else this.#hear(message);
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        const loaded = this.isReady;
        this.isReady = false;
        this.lostBy ||= signal ?? `exit code ${code}`;
        const lost = new HttpError('worker_lost', 'the process that had the request was lost', {
          found: this.lostBy,
          help: 'ask again',
        });
        this.#settle(({ reject: fail }) => fail(lost));
        if (loaded) onLost();
        else reject(new ConfigError('a worker ended while it loaded its models', { found: this.lostBy }));
      });
      this.#send({ kind: 'load', task: this.options.task });
      this.lostBy = '';
    });
  }

  run(batch: Batch, options: RunOptions): Promise<Outcome[]> {
    const { batchTimeout } = this.options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.lostBy = `a batch took longer than ${batchTimeout / 1000} s`;
        this.#child?.kill('SIGKILL');
      }, batchTimeout);
      this.#running = { ...options, id: this.#ids++, resolve, reject, timer };
      const { id } = this.#running;
      this.#send({ kind: 'run', id, batch });
      options.signal.addEventListener('abort', () => {
        if (this.#running?.id === id) this.#send({ kind: 'cancel', id });
      });
    });
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    this.isReady = false;
    const ended = new Promise((done) => child.once('exit', done));
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }

  #hear(message: Extract<FromWorker, { id: number }>): void {
    if (message.id !== this.#running?.id) return;
    if (message.kind === 'progress') this.#running.onProgress(message.progress);
    else this.#settle(({ resolve }) => resolve(message.outcomes));
  }

  #settle(how: (running: Running) => void): void {
    const running = this.#running;
    if (!running) return;
    clearTimeout(running.timer);
    this.#running = undefined;
    how(running);
  }

  #send(message: ToWorker): void {
    this.#child!.send(message, (error) => {
      if (error) this.#child!.kill('SIGKILL'); // its end is heard of
    });
  }
}

function failureOf({ name, headline, details, isOurs }: Extract<FromWorker, { kind: 'failed' }>): Error {
  if (!isOurs) return new Error(headline);
  return Object.assign(new LavisError(headline, details), { name });
}
