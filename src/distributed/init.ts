import { DistributedError } from '../common/errors.js';
import { configureLogging } from '../common/logging.js';
import { readWorld, type World } from '../common/world.js';
import { type Communicator, DEFAULT_TIMEOUT_SECONDS, SingleCommunicator } from './communicator.js';
import { MEETING_FOLDER, requireMpiLauncher, requireUnix } from './environment.js';
import { holdLifeline } from './launch/lifeline.js';
import { LocalCommunicator } from './local/local_communicator.js';
import { MpiCommunicator } from './mpi/mpi_communicator.js';

export interface InitOptions {
  /** `run.dist_backend`; chosen by how the process was started by default. */
  backend?: 'local' | 'mpi' | 'auto';
  /** `run.dist_timeout`: seconds that an operation waits for the other ranks. */
  timeoutSeconds?: number;
}

/**
 * The communicator of this process, by the variables that its launcher set; a world of one when there are
 * none. All ranks have met when it returns, and ranks other than 0 log no more than warnings. A worker of
 * our launcher ends with it from here on.
 * @throws DistributedError when the ranks do not meet, when MPI is needed and absent or did not start them, and for
 *   several ranks on Windows
 */
export async function initCommunicator(
  env: Record<string, string | undefined> = process.env,
  options: InitOptions = {},
): Promise<Communicator> {
  const world = readWorld(env);
  holdLifeline(env);
  if (world.rank > 0) configureLogging({ quiet: true });
  const timeoutSeconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const backend = chooseBackend(world, options.backend ?? 'auto');
  if (backend === 'single') return new SingleCommunicator();
  requireUnix();
  if (backend === 'mpi') {
    requireMpiLauncher(env, world);
    return MpiCommunicator.create(world, timeoutSeconds);
  }
  return LocalCommunicator.create(world, { folder: env[MEETING_FOLDER], timeoutSeconds });
}

function chooseBackend(world: World, wanted: 'local' | 'mpi' | 'auto'): 'single' | 'local' | 'mpi' {
  if (world.worldSize === 1 && wanted !== 'mpi') return 'single';
  const oneMachine = world.localWorldSize === world.worldSize;
  if (wanted === 'local' && !oneMachine) {
    throw new DistributedError('the local communicator cannot leave its machine', {
      found: `${world.localWorldSize} of ${world.worldSize} ranks are on this machine`,
      help: 'run.dist_backend=mpi, started by mpirun',
    });
  }
  if (wanted !== 'auto') return wanted;
  if (world.launcher === 'openmpi' || world.launcher === 'mpich') return 'mpi';
  return oneMachine ? 'local' : 'mpi';
}
