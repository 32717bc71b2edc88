import { Config, type ConfigOptions } from '../config/index.js';

/** Which model is meant: published weights of the zoo, those of a run, or a file. */
export interface ModelSource {
  /** The YAML of a run; `arch` and `modelType` are not looked at beside it. */
  cfgPath?: string;
  /** `key=value`, over the YAML's values or the zoo's. */
  options?: readonly string[];
  /** Whether keys that nobody knows are left alone. */
  allowUnknown?: boolean;
  /** Architecture of the zoo. */
  arch?: string;
  /** The first type of the architecture unless given. */
  modelType?: string;
  /** Weights; else the best that the YAML's run made, or those that the YAML or the zoo names. */
  checkpoint?: string;
  /** Folder of a LoRA adapter, of a run or of PEFT, over the weights that the YAML or the zoo names. */
  adapter?: string;
  /** Multiplies with weights of 8 bits, on the CPU; `run.quantize` unless given. */
  quantize?: 'int8';
}

/** A YAML as a model is built from it: with the source's options, its cache root in use. @throws ConfigError */
export async function configOf(
  { options, allowUnknown }: ModelSource,
  path: string,
  { withoutTask, overrides }: Pick<ConfigOptions, 'overrides'> & { withoutTask?: boolean } = {},
): Promise<Config> {
  const check = { training: false, withoutTask, allowUnknown };
  const config = await Config.fromFile(path, options, { check, overrides });
  config.useCacheRoot();
  return config;
}
