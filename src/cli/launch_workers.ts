import type { Options } from 'yargs';
import type { Config } from '../config/index.js';
import type { LaunchRunOptions } from '../runs/index.js';
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
 * @param more of the run: its folder, and what a restarted command has more
 * @returns their exit code; undefined where the command is to run in this process
 */
export async function launchWorkers(
  name: string,
  args: LaunchArguments & ConfigArguments,
  config: Config,
  more: Pick<LaunchRunOptions, 'job' | 'restart'> = {},
): Promise<number | undefined> {
  const { 'nproc-per-node': count, 'max-restarts': maxRestarts, device, ...rest } = args;
  if (count === '1' && maxRestarts === 0) return undefined;
  if (count !== 'auto' && !/^[1-9]\d*$/.test(count)) {
    throw new UsageError(`--nproc-per-node is a whole number from 1, or auto, not '${count}'`);
  }
  const nprocPerNode = count === 'auto' ? 'auto' : Number(count);
  const command = [name, ...commandLine({ ...rest, device })];
  const { launchRun } = await import('../runs/index.js');
  return launchRun(config, { ...more, command, nprocPerNode, maxRestarts, device });
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
