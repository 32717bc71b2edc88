import { DistributedError } from '../common/errors.js';
import type { World } from '../common/world.js';

/** Set by the launcher: the folder where its workers meet. */
export const MEETING_FOLDER = 'LAVIS_MEETING_FOLDER';

type Environment = Record<string, string | undefined>;

/** One of these is set where a launcher's daemons wait for MPI_Init: of Open MPI, MPICH and its kin, Slurm, Cray. */
const MPI_STARTED = ['OMPI_COMM_WORLD_SIZE', 'PMIX_RANK', 'PMI_RANK', 'PMI_SIZE', 'PMI_FD', 'PALS_RANKID'];
const TOLD = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'];
const SLURM_TOLD = ['SLURM_PROCID', 'SLURM_STEP_NUM_TASKS', 'SLURM_STEP_NUM_NODES'];

/**
 * MPI's library ends a process that none of its launchers started, with words of its own.
 * @throws DistributedError in such a process: what was found, and who has to start it
 */
export function requireMpiLauncher(env: Environment, { launcher, worldSize, localWorldSize }: World): void {
  if (worldSize === 1 || MPI_STARTED.some((name) => env[name])) return;
  const slurm = launcher === 'slurm';
  const set = (slurm ? SLURM_TOLD : TOLD).filter((name) => env[name]).map((name) => `${name}=${env[name]}`);
  throw new DistributedError('the ranks communicate over MPI, but no MPI launcher started this one', {
    found: `${set.join(', ')} (${launcher}); none of ${MPI_STARTED.join(', ')}`,
    allowed: 'mpirun (Open MPI, MPICH, Intel MPI), or srun --mpi=pmix',
    help: [
      slurm
        ? 'srun --mpi=pmix lavis train …; srun --mpi=list shows what Slurm was built with'
        : `mpirun -np ${worldSize} --hostfile hosts lavis train …, in place of torchrun`,
      localWorldSize === worldSize
        ? 'run.dist_backend=local: these ranks share a machine, and need no MPI'
        : 'ranks of one machine need no MPI: lavis train --nproc-per-node N',
    ].join('\n'),
  });
}

/**
 * Workers talk through Unix sockets, shared files and signals.
 * @throws DistributedError on Windows
 */
export function requireUnix(platform: NodeJS.Platform = process.platform): void {
  if (platform !== 'win32') return;
  throw new DistributedError('several workers are not supported on Windows', {
    found:
      'Unix sockets between processes, shared memory and signals are needed, which Windows does not have',
    allowed: 'Linux, macOS, or WSL 2 on Windows; one worker runs anywhere',
    help: 'without --nproc-per-node; or wsl --install, and lavis train … there',
  });
}
