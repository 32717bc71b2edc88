import { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import {
  type Config,
  describeOrigin,
  launchSchema,
  scheduleSchema,
  trainingSchema,
} from '../config/index.js';

const schema = z.object({ ...launchSchema.shape, ...trainingSchema.shape, ...scheduleSchema.shape });
type Keys = z.output<typeof schema>;

type CamelCase<S> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S;

/**
 * The `run` section with its defaults, checked: the keys of launchSchema, trainingSchema and scheduleSchema
 * (src/common/config/schema/run.ts says what each means), in camel case.
 */
export type RunSettings = { [K in keyof Keys as CamelCase<K>]: Keys[K] } & {
  /** 0 in an evaluation that names none. */
  initLr: number;
  /** 0 unless iterations are counted. */
  maxIters: number;
};

/** @throws ConfigError for every wrong value: the key, where it was written, and what it may be. */
export function runSettings(config: Config): RunSettings {
  const run = config.read('run', schema);
  if (run.init_lr === undefined && !run.evaluate)
    throw missing(config, 'init_lr', 'a learning rate, as 1e-5');
  if (run.max_iters === undefined && run.runner === 'runner_iter') {
    throw missing(config, 'max_iters', 'how many iterations runner_iter trains, as 20000');
  }
  const filled = { ...run, init_lr: run.init_lr ?? 0, max_iters: run.max_iters ?? 0 };
  const camelCase = Object.entries(filled).map(([key, value]) => [
    key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.fromEntries(camelCase) as RunSettings;
}

function missing(config: Config, key: string, allowed: string): ConfigError {
  const origin = config.originOf('run');
  return new ConfigError(`run.${key} is missing`, { where: origin && describeOrigin(origin), allowed });
}
