import type { Options } from 'yargs';
import { readWorld } from '../common/world.js';
import type { Config } from '../config/index.js';
import type { LaunchRunOptions, RunResult } from '../runs/index.js';
import { UsageError } from './command.js';
import { type ConfigArguments, configOptions } from './config_options.js';

/** The options of commands that run a model from a YAML. */
export const runOptions = {
  ...configOptions,
  device: {
    type: 'string',
    requiresArg: true,
    describe: 'auto, cpu, cuda or webgpu; run.device of the YAML unless given',
  },
  'job-id': {
    type: 'string',
    requiresArg: true,
    describe: "Name of the run's folder in run.output_dir; the time of the start unless given",
  },
} as const satisfies Record<string, Options>;

/** What `findRun` takes, as a command's argument. */
export const runFolder = {
  type: 'string',
  demandOption: true,
  describe: 'Folder of a run, or one above it: the newest run is taken',
} as const;

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

/** Prints a run's scores, a small table for each split, and writes its report. Of several workers the first does it. */
export async function showResult({ folder, scores }: RunResult): Promise<void> {
  if (readWorld().rank > 0) return;
  for (const [split, metrics] of Object.entries(scores)) {
    console.log(`${split}:`);
    for (const [name, value] of Object.entries(metrics)) {
      console.log(`  ${name.padEnd(12)} ${value.toFixed(4)}`);
    }
  }
  const { reportAtEnd } = await import('../reports/index.js');
  await reportAtEnd(folder);
}
