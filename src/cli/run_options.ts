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
    describe: "Name of the run's folder in run.output_dir; the time of the start unless given",
  },
} as const satisfies Record<string, Options>;

/** What `findRun` takes, as a command's argument. */
export const runFolder = {
  type: 'string',
  demandOption: true,
  describe: 'Folder of a run, or one above it: the newest run is taken',
} as const;
