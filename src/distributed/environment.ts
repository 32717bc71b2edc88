import { DistributedError } from '../common/errors.js';

/** Set by the launcher: the folder where its workers meet. */
export const MEETING_FOLDER = 'LAVIS_MEETING_FOLDER';

/** Who started this process and which part of the run it is. */
export interface World {
  readonly launcher: 'none' | 'torchrun' | 'openmpi' | 'mpich' | 'slurm';
  readonly rank: number;
  readonly worldSize: number;
  readonly localRank: number;
  /** Ranks on this machine. */
  readonly localWorldSize: number;
  /** The same for all ranks of a run, and for no other run on this machine. */
  readonly runId: string;
}

type Environment = Record<string, string | undefined>;

/**
 * Reads the variables of torchrun (ours are the same), `mpirun` (Open MPI, MPICH) and `srun`.
 * @throws DistributedError when they contradict each other.
 */
export function readWorld(env: Environment = process.env): World {
  const world = read(env);
  const { rank, worldSize, localRank, localWorldSize } = world;
  const whole = [rank, worldSize, localRank, localWorldSize].every((n) => Number.isInteger(n) && n >= 0);
  if (!whole || rank >= worldSize || localRank >= localWorldSize || localWorldSize > worldSize) {
    throw new DistributedError('the environment names no rank of a run', {
      found: `rank ${rank} of ${worldSize}, local rank ${localRank} of ${localWorldSize} (${world.launcher})`,
      allowed: '0 <= RANK < WORLD_SIZE, 0 <= LOCAL_RANK < LOCAL_WORLD_SIZE <= WORLD_SIZE',
      help: 'start workers with lavis train --nproc-per-node N, mpirun, srun or torchrun, or unset the variables',
    });
  }
  return world;
}

/** Whether a launcher started this process: it passes on the signals that it gets. */
export const isLaunched = (env: Environment = process.env): boolean => read(env).launcher !== 'none';

function read(env: Environment): World {
  const number = (name: string, otherwise: number) => {
    const text = env[name]?.trim();
    return text ? Number(text) : otherwise;
  };
  if (env.WORLD_SIZE || env.RANK) {
    const worldSize = number('WORLD_SIZE', Number.NaN);
    const rank = number('RANK', Number.NaN);
    const parts = [env.MASTER_ADDR ?? 'localhost', env.MASTER_PORT ?? '29500', env.TORCHELASTIC_RUN_ID];
    return {
      launcher: 'torchrun',
      rank,
      worldSize,
      localRank: number('LOCAL_RANK', rank),
      localWorldSize: number('LOCAL_WORLD_SIZE', worldSize),
      runId: parts.filter(Boolean).join('-'),
    };
  }
  if (env.OMPI_COMM_WORLD_SIZE) {
    const worldSize = number('OMPI_COMM_WORLD_SIZE', Number.NaN);
    return {
      launcher: 'openmpi',
      rank: number('OMPI_COMM_WORLD_RANK', Number.NaN),
      worldSize,
      localRank: number('OMPI_COMM_WORLD_LOCAL_RANK', 0),
      localWorldSize: number('OMPI_COMM_WORLD_LOCAL_SIZE', worldSize),
      runId: env.PMIX_NAMESPACE ?? env.OMPI_MCA_orte_hnp_uri ?? 'openmpi',
    };
  }
  if (env.PMI_SIZE) {
    const worldSize = number('PMI_SIZE', Number.NaN);
    return {
      launcher: 'mpich',
      rank: number('PMI_RANK', Number.NaN),
      worldSize,
      localRank: number('MPI_LOCALRANKID', 0),
      localWorldSize: number('MPI_LOCALNRANKS', worldSize),
      runId: env.PMI_PORT ?? 'mpich',
    };
  }
  // A batch script has SLURM_PROCID too, but only a step of srun is one of several processes.
  if (env.SLURM_STEP_ID && env.SLURM_STEP_NUM_TASKS) {
    const worldSize = number('SLURM_STEP_NUM_TASKS', Number.NaN);
    const nodes = number('SLURM_STEP_NUM_NODES', 1);
    return {
      launcher: 'slurm',
      rank: number('SLURM_PROCID', Number.NaN),
      worldSize,
      localRank: number('SLURM_LOCALID', 0),
      localWorldSize: nodes === 1 ? worldSize : Number.parseInt(env.SLURM_STEP_TASKS_PER_NODE ?? '1', 10),
      runId: `${env.SLURM_JOB_ID}-${env.SLURM_STEP_ID}`,
    };
  }
  return { launcher: 'none', rank: 0, worldSize: 1, localRank: 0, localWorldSize: 1, runId: '' };
}
