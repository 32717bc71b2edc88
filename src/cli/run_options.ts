import type { Options } from 'yargs';
import { configOptions } from './config_options.js';

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
    describe: 'Folder under output_dir; the time of day unless given',
  },
} as const satisfies Record<string, Options>;
