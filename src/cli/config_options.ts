import { resolve } from 'node:path';
import type { Options } from 'yargs';
import { expandHome } from '../common/paths.js';
import { Config, loadPlugin, type Overrides, type PlainObject } from '../config/index.js';

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
  for (const plugin of plugins) await loadPlugin(plugin);
}

/**
 * The configuration that a command line names, ready for use: plug-ins loaded, cache root set.
 * @param more what the command adds by itself; whether it uses what prepares images for training
 * @throws ConfigError
 */
export async function loadConfig(
  args: ConfigArguments,
  { overrides, training }: { overrides?: readonly Overrides[]; training?: boolean } = {},
): Promise<Config> {
  await loadClasses(args.plugin);
  const check = { training, allowUnknown: args['allow-unknown'] };
  const config = await Config.fromFile(args['cfg-path'], args.options, { check, overrides });
  const { cache_root } = config.section('env');
  // by the environment, as worker threads and processes are to look in the same place
  if (typeof cache_root === 'string') process.env.LAVIS_CACHE_ROOT ||= resolve(expandHome(cache_root));
  return config;
}

/** Of the model section, beside a checkpoint: it holds all weights, and none are loaded before it. */
export const NO_NAMED_WEIGHTS = { load_finetuned: false, load_pretrained: false } as const;

/** The weights that a `model` section names and loads; undefined where it starts from none. */
export function namedWeights(model: PlainObject): unknown {
  const { load_finetuned, load_pretrained, finetuned, pretrained } = model;
  return (load_finetuned && finetuned) || (load_pretrained !== false && pretrained) || undefined;
}
