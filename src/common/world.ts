import { spawnSync } from 'node:child_process';
import { DistributedError } from './errors.js';

/** Who started this process and which part of the run it is. */
export interface World {
  readonly launcher: 'none' | 'torchrun' | 'openmpi' | 'mpich' | 'slurm';
  readonly rank: number;
  readonly worldSize: number;
  /** The rank among those of this machine: it decides which GPU is taken. */
  readonly localRank: number;
  /** Ranks on this machine. */
  readonly localWorldSize: number;
  /** The same for all ranks of a run, and for no other run on this machine. */
  readonly runId: string;
}

type Environment = Record<string, string | undefined>;

/**
 * Reads the variables of torchrun (ours are the same), `mpirun` (Open MPI, MPICH, Intel MPI) and `srun`.
 * @throws DistributedError when they contradict each other.
 */
export function readWorld(env: Environment = process.env): World {
  const world = read(env);
  if (isConsistent(world)) return world;
  const { rank, worldSize, localRank, localWorldSize, launcher } = world;
  throw new DistributedError('the environment names no rank of a run', {
    found: `rank ${rank} of ${worldSize}, local rank ${localRank} of ${localWorldSize} (${launcher})`,
    allowed: '0 <= RANK < WORLD_SIZE, 0 <= LOCAL_RANK < LOCAL_WORLD_SIZE <= WORLD_SIZE',
    help: 'start workers with lavis train --nproc-per-node N, mpirun, srun or torchrun, or unset the variables',
  });
}

/** Whether a launcher started this process: it passes on the signals that it gets. */
export const isLaunched = (env: Environment = process.env): boolean => read(env).launcher !== 'none';

/** The worker's number on its machine; undefined where no launcher started it, or its variables are wrong. */
export function localRank(env: Environment): number | undefined {
  const world = read(env);
  return world.launcher !== 'none' && isConsistent(world) ? world.localRank : undefined;
}

/**
 * How many processes a launcher started on this machine. 1 outside of them, and where it is not a number:
 * `readWorld` tells what is wrong with them.
 */
export function localWorldSize(env: Environment): number {
  const { localWorldSize } = read(env);
  return Number.isInteger(localWorldSize) && localWorldSize > 0 ? localWorldSize : 1;
}

function isConsistent({ rank, worldSize, localRank, localWorldSize }: World): boolean {
  const whole = [rank, worldSize, localRank, localWorldSize].every((n) => Number.isInteger(n) && n >= 0);
  return whole && rank < worldSize && localRank < localWorldSize && localWorldSize <= worldSize;
}

function read(env: Environment): World {
  /** The first of the variables that is set. */
  const number = (...names: string[]): number | undefined => {
    const text = names.map((name) => env[name]?.trim()).find(Boolean);
    return text === undefined ? undefined : Number(text);
  };
  // A batch script has SLURM_PROCID too, but only a step of srun is one of several processes.
  const inStep = Boolean(env.SLURM_STEP_ID && env.SLURM_STEP_NUM_TASKS);
  const whole = (names: { rank: string; size: string; localRank: string[]; localSize: string[] }) => {
    const worldSize = number(names.size) ?? Number.NaN;
    const rank = number(names.rank) ?? Number.NaN;
    // Scripts under srun or mpirun set RANK and WORLD_SIZE by hand, and leave the machine to their launcher; srun
    // with the protocol of MPICH sets PMI_RANK, and nothing of MPICH's for the machine.
    const slurm = inStep ? { rank: number('SLURM_LOCALID'), size: slurmTasks(env, worldSize) } : undefined;
    return {
      rank,
      worldSize,
      localRank: number(...names.localRank) ?? slurm?.rank ?? rank,
      localWorldSize: number(...names.localSize) ?? slurm?.size ?? worldSize,
    };
  };
  const openMpi = { rank: 'OMPI_COMM_WORLD_LOCAL_RANK', size: 'OMPI_COMM_WORLD_LOCAL_SIZE' };
  const mpich = { rank: 'MPI_LOCALRANKID', size: 'MPI_LOCALNRANKS' };
  if (env.WORLD_SIZE || env.RANK) {
    const parts = [env.MASTER_ADDR ?? 'localhost', env.MASTER_PORT ?? '29500', env.TORCHELASTIC_RUN_ID];
    return {
      launcher: 'torchrun',
      ...whole({
        rank: 'RANK',
        size: 'WORLD_SIZE',
        localRank: ['LOCAL_RANK', openMpi.rank, mpich.rank],
        localSize: ['LOCAL_WORLD_SIZE', openMpi.size, mpich.size],
      }),
      runId: parts.filter(Boolean).join('-'),
    };
  }
  if (env.OMPI_COMM_WORLD_SIZE) {
    return {
      launcher: 'openmpi',
      ...whole({
        rank: 'OMPI_COMM_WORLD_RANK',
        size: 'OMPI_COMM_WORLD_SIZE',
        localRank: [openMpi.rank],
        localSize: [openMpi.size],
      }),
      runId: env.PMIX_NAMESPACE ?? env.OMPI_MCA_orte_hnp_uri ?? 'openmpi',
    };
  }
  if (env.PMI_SIZE) {
    return {
      launcher: 'mpich',
      ...whole({ rank: 'PMI_RANK', size: 'PMI_SIZE', localRank: [mpich.rank], localSize: [mpich.size] }),
      runId: env.PMI_PORT ?? 'mpich',
    };
  }
  if (inStep) {
    return {
      launcher: 'slurm',
      ...whole({ rank: 'SLURM_PROCID', size: 'SLURM_STEP_NUM_TASKS', localRank: [], localSize: [] }),
      runId: `${env.SLURM_JOB_ID}-${env.SLURM_STEP_ID}`,
    };
  }
  return { launcher: 'none', rank: 0, worldSize: 1, localRank: 0, localWorldSize: 1, runId: '' };
}

/** Of `4(x2),3`, tasks on each node in turn, those on ours. */
function slurmTasks(env: Environment, worldSize: number): number {
  const { SLURM_STEP_TASKS_PER_NODE: tasks, SLURM_STEP_NUM_NODES: nodes = '1' } = env;
  if (!tasks) return nodes.trim() === '1' ? worldSize : 1;
  const perNode = tasks.split(',').flatMap((part) => {
    const [, count, nodes = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part.trim()) ?? [];
    return Array<number>(Number(nodes)).fill(Number(count));
  });
  return perNode[Number(env.SLURM_NODEID ?? 0)];
}

/** The NVIDIA GPUs that this process may use: CUDA_VISIBLE_DEVICES, or those that nvidia-smi lists. */
export function visibleGpus(env: Record<string, string | undefined> = process.env): string[] {
  const visible = env.CUDA_VISIBLE_DEVICES;
  const listed = visible === undefined ? askDriver() : visible.split(',');
  return listed.map((id) => id.trim()).filter((id) => id && id !== '-1');
}

function askDriver(): string[] {
  const query = spawnSync('nvidia-smi', ['--query-gpu=index', '--format=csv,noheader'], { encoding: 'utf8' });
  return query.status === 0 ? query.stdout.split('\n') : [];
}
