import { fileURLToPath } from 'node:url';
import type { Options } from 'yargs';
import { ConfigError } from '../common/errors.js';
import { type Config, describeOrigin } from '../config/index.js';
import { launch } from '../distributed/index.js';
import { parseDevice } from '../engine/index.js';
import { abandonJob, checkRun, claimJob, type Job, jobEnvironment } from '../runs/index.js';
import { UsageError } from './command.js';
import type { ConfigArguments } from './config_options.js';

/** The options of commands that can run in several workers. */
export const launchOptions = {
  'nproc-per-node': {
    type: 'string',
    requiresArg: true,
    default: '1',
    describe: 'Workers on this machine; auto is one for each GPU',
  },
  'max-restarts': {
    type: 'number',
    requiresArg: true,
    default: 0,
    describe: 'How often workers that failed are started again',
  },
} as const satisfies Record<string, Options>;

export interface LaunchArguments {
  'nproc-per-node': string;
  'max-restarts': number;
  device?: string;
}

/**
 * Runs a command in workers, where several or restarts are asked for.
 * @param config read and checked before, so that its faults are told once
 * @param run finds the folder that all attempts have; and what a restarted command has more
 * @returns their exit code; undefined where the command is to run in this process
 */
export async function launchWorkers(
  name: string,
  args: LaunchArguments & ConfigArguments,
  config: Config,
  { job, restart = [] }: { job?: () => Promise<Job>; restart?: string[] } = {},
): Promise<number | undefined> {
  const { 'nproc-per-node': count, 'max-restarts': maxRestarts, device, ...rest } = args;
  if (count === '1' && maxRestarts === 0) return undefined;
  if (count !== 'auto' && !/^[1-9]\d*$/.test(count)) {
    throw new UsageError(`--nproc-per-node is a whole number from 1, or auto, not '${count}'`);
  }
  if (device) parseDevice(device);
  checkRun(config);
  if (count !== '1' && config.run.distributed === false) {
    const origin = config.originOf('run.distributed');
    throw new ConfigError('run.distributed is False, which keeps to one worker', {
      where: origin && describeOrigin(origin),
      found: `--nproc-per-node ${count}`,
      help: '--options run.distributed=True, or without --nproc-per-node',
    });
  }
  const bin = fileURLToPath(new URL('../../bin/lavis.js', import.meta.url));
  const folder = job && claimJob(await job());
  try {
    return await launch({
      command: [bin, name, ...commandLine({ ...rest, device })],
      nprocPerNode: count === 'auto' ? 'auto' : Number(count),
      maxRestarts,
      restartArguments: () => restart,
      device,
      env: folder === undefined ? process.env : jobEnvironment(folder),
    });
  } finally {
    if (folder !== undefined) abandonJob(folder);
  }
}

/** The options that were parsed, as they may be typed again. */
function commandLine(args: Record<string, unknown>): string[] {
  return Object.entries(args).flatMap(([name, value]) => {
    if (/^(_|\$0)$/.test(name) || value === undefined || value === false) return [];
    if (value === true) return [`--${name}`];
    if (!Array.isArray(value)) return [`--${name}`, String(value)];
    return value.length > 0 ? [`--${name}`, ...value.map(String)] : [];
  });
}
