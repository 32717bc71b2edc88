/** How many threads a process may keep busy: what its user says, or its share of the processors it may use. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cpuQuota } from './cpu_quota.js';
import { EngineError } from './errors.js';
import { log } from './logging.js';
import { localWorldSize } from './world.js';

type Environment = Record<string, string | undefined>;

export interface ThreadOptions {
  env?: Environment;
  /** Processes that share what this one may use; of the launcher's variables by default. */
  processes?: number;
  /** Processors that the system lets this process run on (its affinity). */
  processors?: number;
  /** The folder in which /proc and /sys lie. */
  root?: string;
}

const MOST_THREADS = 1024;

/**
 * Threads of a process: LAVIS_THREADS; OMP_NUM_THREADS (its first level); otherwise the processors that it may run
 * on and the quota of its control group, divided among the processes of a launcher on this machine. At least 1.
 * @throws EngineError for a LAVIS_THREADS that is not a number of threads
 */
export function threadsOfProcess(options: ThreadOptions = {}): number {
  const { env = process.env } = options;
  return lavisThreads(env) ?? ompThreads(env) ?? shareOfProcessors({ ...options, env });
}

function lavisThreads({ LAVIS_THREADS: text }: Environment): number | undefined {
  if (!text?.trim()) return undefined;
  const threads = numberOfThreads(text);
  if (threads !== undefined) return threads;
  throw new EngineError('LAVIS_THREADS is not a number of threads', {
    found: `LAVIS_THREADS=${text}`,
    allowed: `a whole number from 1 to ${MOST_THREADS}`,
    help: 'unset LAVIS_THREADS: the number of processors is found by itself',
  });
}

/** OpenMP's variable is for many programs: what is wrong with it ends none of them. */
function ompThreads({ OMP_NUM_THREADS: text }: Environment): number | undefined {
  if (!text?.trim()) return undefined;
  const threads = numberOfThreads(text.split(',')[0]);
  if (threads === undefined) {
    log.warnOnce(`OMP_NUM_THREADS=${text} is not a number of threads from 1 to ${MOST_THREADS}: ignored`);
  }
  return threads;
}

function numberOfThreads(text: string): number | undefined {
  const threads = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  return threads >= 1 && threads <= MOST_THREADS ? threads : undefined;
}

/** Without any variable that names a number of threads. */
export function shareOfProcessors(options: ThreadOptions = {}): number {
  const { env = process.env, processors = availableParallelism(), root = '/' } = options;
  const processes = options.processes ?? localWorldSize(env);
  const own = options.processes === undefined && boundAlone(env, root);
  const share = Math.min(own ? processors : processors / processes, cpuQuota(root) / processes);
  return Math.max(1, Math.floor(share));
}

/** Whether a launcher has given this process processors of its own: its affinity is its share already. */
function boundAlone(env: Environment, root: string): boolean {
  if (env.OMPI_MCA_orte_bound_at_launch === '1') return true;
  const slurm = env.SLURM_CPU_BIND_TYPE;
  if (slurm && !slurm.startsWith('none')) return true;
  const parent = allowedProcessors(join(root, 'proc', String(process.ppid), 'status'));
  const mine = allowedProcessors(join(root, 'proc', 'self', 'status'));
  return localWorldSize(env) > 1 && parent !== undefined && mine !== undefined && mine < parent;
}

/** How many processors a line such as `Cpus_allowed_list: 0-3,8` of /proc/…/status names. */
function allowedProcessors(path: string): number | undefined {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync(path, 'utf8'))?.[1];
    const sizes = list?.split(',').map((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return last - first + 1;
    });
    return sizes?.reduce((sum, size) => sum + size, 0);
  } catch {
    return undefined;
  }
}
