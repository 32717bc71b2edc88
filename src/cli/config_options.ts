import type { Options } from 'yargs';
import type { Config, Overrides } from '../config/index.js';

/** The options of every command that reads a run configuration; spread them into the command's table. */
export const configOptions = {
  'cfg-path': {
    type: 'string',
    demandOption: true,
    requiresArg: true,
    describe: 'YAML file of the run; lavis brings some in projects/blip/',
  },
  options: {
    type: 'string',
    array: true,
    default: [] as string[],
    defaultDescription: 'none',
    describe: 'Change values of the YAML, as in: --options run.max_epoch=2 run.seed=7',
  },
  plugin: {
    type: 'string',
    array: true,
    requiresArg: true,
    default: [] as string[],
    defaultDescription: 'none',
    describe: 'JavaScript module that registers classes of yours; may be repeated',
  },
  'allow-unknown': {
    type: 'boolean',
    default: false,
    describe: 'Pass over keys of the YAML that lavis does not know',
  },
} as const satisfies Record<string, Options>;

export interface ConfigArguments {
  'cfg-path': string;
  options: string[];
  plugin: string[];
  'allow-unknown': boolean;
}

/** Loads every class that registers itself: ours, then the user's. */
export async function loadClasses(plugins: readonly string[] = []): Promise<void> {
  await import('../index.js');
  const { loadPlugin } = await import('../config/index.js');
  for (const plugin of plugins) await loadPlugin(plugin);
}

/**
 * The configuration that a command line names, ready for use: plug-ins loaded, cache root set.
 * @param more what the command adds by itself; whether it uses what prepares images for training; whether it goes
 *   without a task
 * @throws ConfigError
 */
export async function loadConfig(
  args: ConfigArguments,
  {
    overrides,
    ...used
  }: { overrides?: readonly Overrides[]; training?: boolean; withoutTask?: boolean } = {},
): Promise<Config> {
  await loadClasses(args.plugin);
  const { Config } = await import('../config/index.js');
  const check = { ...used, allowUnknown: args['allow-unknown'] };
  const config = await Config.fromFile(args['cfg-path'], args.options, { check, overrides });
  config.useCacheRoot();
  return config;
}
