import { fileURLToPath } from 'node:url';
import { ConfigError } from '../common/errors.js';
import { type Config, describeOrigin } from '../config/index.js';
import { launch } from '../distributed/index.js';
import { parseDevice } from '../engine/index.js';
import { abandonJob, claimJob, type Job, jobEnvironment } from './job.js';
import { checkRun } from './prepare_run.js';

export interface LaunchRunOptions {
  /** What each worker runs: a command of lavis and its arguments. */
  command: readonly string[];
  /** Workers on this machine; `auto` is one for each GPU. */
  nprocPerNode: number | 'auto';
  /** How often workers that failed are started again. */
  maxRestarts: number;
  /** What a restarted command has more. */
  restart?: readonly string[];
  /** As --device says. */
  device?: string;
  /** Finds the folder that all attempts have. */
  job?: () => Promise<Job>;
}

/**
 * Carries a run out in workers, each of which runs `command`.
 * @param config read and checked before, so that its faults are told once
 * @returns the workers' exit code
 * @throws ConfigError for what is wrong whoever runs it
 */
export async function launchRun(config: Config, options: LaunchRunOptions): Promise<number> {
  const { command, nprocPerNode, maxRestarts, restart = [], device, job } = options;
  if (device) parseDevice(device);
  checkRun(config);
  if (nprocPerNode !== 1 && config.run.distributed === false) {
    const origin = config.originOf('run.distributed');
    throw new ConfigError('run.distributed is False, which keeps to one worker', {
      where: origin && describeOrigin(origin),
      found: `--nproc-per-node ${nprocPerNode}`,
      help: '--options run.distributed=True, or without --nproc-per-node',
    });
  }
  const bin = fileURLToPath(new URL('../../bin/lavis.js', import.meta.url));
  const folder = job && claimJob(await job());
  try {
    return await launch({
      command: [bin, ...command],
      nprocPerNode,
      maxRestarts,
      restartArguments: () => [...restart],
      device,
      env: folder === undefined ? process.env : jobEnvironment(folder),
    });
  } finally {
    if (folder !== undefined) abandonJob(folder);
  }
}
