import { readdirSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DistributedError } from '../../common/errors.js';
import { makeFolderInside } from '../../common/files.js';
import { NOHUP, startedByNohup } from '../../common/hangup.js';
import { log } from '../../common/logging.js';
import { readWorld, visibleGpus } from '../../common/world.js';
import { MEETING_FOLDER, requireUnix } from '../environment.js';
import { FAULT_FOLDER, faultOf } from '../faults.js';
import { socketFolder } from '../local/local_communicator.js';
import { memoryFolder } from '../local/memory_file.js';
import { culpritOf, describeFailure, type Ending, exitCodeOf, failuresOf } from './failure.js';
import { LIFELINE } from './lifeline.js';
import { WorkerProcess, workerDevices } from './worker_process.js';

export interface LaunchOptions {
  /** Script and arguments that each worker runs with this Node. */
  command: readonly string[];
  /** Workers on this machine; 'auto' = one for each GPU, or one on the CPU. */
  nprocPerNode: number | 'auto';
  /** How often all workers are started anew after a failure. */
  maxRestarts?: number;
  /** Further arguments from the first restart on: where to resume. */
  restartArguments?: () => readonly string[] | Promise<readonly string[]>;
  /** 'cpu' keeps the GPUs out of it. */
  device?: string;
  env?: Record<string, string | undefined>;
  /** How long workers may take to end after another one has failed. */
  graceSeconds?: number;
}

/** After a failure: how long the other ranks' own errors are awaited before they are ended. */
const SETTLE_SECONDS = 1;

/** How many workers `--nproc-per-node` means. @throws DistributedError for anything but a whole number. */
export function workerCount(
  nprocPerNode: number | 'auto',
  options: Pick<LaunchOptions, 'device' | 'env'> = {},
) {
  if (nprocPerNode === 'auto') return Math.max(1, usableGpus(options).length);
  if (Number.isInteger(nprocPerNode) && nprocPerNode >= 1) return nprocPerNode;
  throw new DistributedError('--nproc-per-node cannot be used', {
    found: String(nprocPerNode),
    allowed: 'a whole number from 1, or auto',
  });
}

/**
 * Runs a command in several workers and watches them. When one fails, all are ended; when this process
 * ends, however that happens, so do they.
 * @returns the exit code: 0, or that of the worker that failed first
 * @throws DistributedError when this process is itself one of several of mpirun, srun or torchrun; on Windows
 */
export async function launch(options: LaunchOptions): Promise<number> {
  const env = options.env ?? process.env;
  const { launcher, worldSize } = readWorld(env);
  // A shell inside `srun --pty` is a world of one, and may launch.
  if (worldSize > 1) {
    throw new DistributedError('--nproc-per-node is for a process that no launcher started', {
      found: `the variables of ${launcher}`,
      help: 'leave out --nproc-per-node, or unset the variables',
    });
  }
  requireUnix();
  const maxRestarts = options.maxRestarts ?? 0;
  for (let attempt = 0; ; attempt++) {
    const more = attempt > 0 ? ((await options.restartArguments?.()) ?? []) : [];
    const { code, interrupted } = await new Group(options, env, [...options.command, ...more], attempt).run();
    if (code === 0 || interrupted || attempt >= maxRestarts) return code;
    log.warn(`all workers are started again (${attempt + 1} of ${maxRestarts} restarts)`);
  }
}

/** The workers of one attempt. */
class Group {
  readonly #folder: string;
  readonly #workers: WorkerProcess[];
  readonly #graceSeconds: number;
  /** The terminal may close: nohup started the run. */
  readonly #nohup: boolean;
  #interruption: NodeJS.Signals | undefined;
  /** Whether the workers were asked to end: how they do is no failure then. */
  #asked = false;

  constructor(
    options: LaunchOptions,
    env: Record<string, string | undefined>,
    command: string[],
    attempt: number,
  ) {
    const count = workerCount(options.nprocPerNode, options);
    const gpus = usableGpus(options);
    this.#graceSeconds = options.graceSeconds ?? 5;
    this.#nohup = startedByNohup(env);
    const devices = Array.from({ length: count }, (_, rank) => workerDevices(count, rank, gpus, env));
    this.#folder = makeFolderInside(socketFolder(), 'lavis-run-', 'the environment variable TMPDIR=FOLDER');
    this.#workers = Array.from(
      { length: count },
      (_, rank) =>
        new WorkerProcess(rank, command, {
          ...env,
          ...devices[rank],
          RANK: String(rank),
          LOCAL_RANK: String(rank),
          WORLD_SIZE: String(count),
          LOCAL_WORLD_SIZE: String(count),
          MASTER_ADDR: env.MASTER_ADDR ?? 'localhost',
          MASTER_PORT: env.MASTER_PORT ?? '29500',
          TORCHELASTIC_RUN_ID: basename(this.#folder),
          TORCHELASTIC_RESTART_COUNT: String(attempt),
          [MEETING_FOLDER]: this.#folder,
          [FAULT_FOLDER]: this.#folder,
          [LIFELINE]: '3',
          ...(this.#nohup && { [NOHUP]: '1' }),
        }),
    );
  }

  async run(): Promise<{ code: number; interrupted: boolean }> {
    let asked = false;
    const interrupt = (signal: NodeJS.Signals) => {
      // Workers save and end at the first signal, which may reach them from the terminal too; Ctrl-C once more
      // does not wait. A terminal that closes may say so more than once.
      this.#kill(asked && signal !== 'SIGHUP' ? 'SIGKILL' : signal);
      if (signal !== 'SIGHUP') asked = true;
      this.#interruption ??= signal;
    };
    const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', ...(this.#nohup ? [] : ['SIGHUP' as const])];
    const lastResort = () => this.#kill('SIGKILL');
    for (const signal of signals) process.on(signal, interrupt);
    process.on('exit', lastResort);
    try {
      const endings = await this.#watch();
      const failures = failuresOf(endings);
      if (this.#interruption) {
        // Ending is what they were asked to; an error of theirs is told all the same.
        if (failures.some(({ text, consequence }) => text && !consequence)) this.#report(endings);
        return { code: 128 + constants.signals[this.#interruption], interrupted: true };
      }
      if (failures.length === 0) return { code: 0, interrupted: false };
      this.#report(endings);
      return { code: exitCodeOf(culpritOf(failures)), interrupted: false };
    } finally {
      for (const signal of signals) process.off(signal, interrupt);
      process.off('exit', lastResort);
      this.#cleanUp();
    }
  }

  /** Until all workers have ended. @returns how each did, the first one first */
  async #watch(): Promise<Ending[]> {
    const endings: Ending[] = [];
    let ending: Promise<void> | undefined;
    await Promise.all(
      this.#workers.map(async (worker) => {
        const end = await worker.ended;
        const { lastLines } = worker;
        endings.push({ ...end, ...faultOf(this.#folder, end.rank), lastLines, asked: this.#asked });
        if (end.code === 0 || this.#interruption) return;
        ending ??= sleep(SETTLE_SECONDS * 1000).then(() => this.#end());
      }),
    );
    await ending;
    return endings;
  }

  /** Asks the workers to end, then makes them. */
  async #end(): Promise<void> {
    this.#asked = true;
    this.#kill('SIGTERM');
    const limit = performance.now() + this.#graceSeconds * 1000;
    while (performance.now() < limit && this.#workers.some((worker) => worker.alive)) await sleep(50);
    this.#kill('SIGKILL');
  }

  #kill(signal: NodeJS.Signals): void {
    for (const worker of this.#workers) worker.kill(signal);
  }

  #report(endings: readonly Ending[]): void {
    log.info(describeFailure(endings).trimEnd());
  }

  #cleanUp(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    const memory = memoryFolder();
    for (const name of readdirSync(memory)) {
      if (name.startsWith(basename(this.#folder))) rmSync(join(memory, name), { force: true });
    }
  }
}

function usableGpus({ device, env }: Pick<LaunchOptions, 'device' | 'env'>): string[] {
  return device === 'cpu' ? [] : visibleGpus(env ?? process.env);
}
