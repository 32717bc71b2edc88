/** Door of src/common/config/: reading, merging, checking configurations. */
export type { CheckOptions } from './config/check/faults.js';
export { Config, type ConfigOptions } from './config/config.js';
export type { HasDefaults } from './config/defaults.js';
export { shownPath } from './config/files.js';
export { loadPlugin } from './config/plugins.js';
export { captionDatasetSchema, datasetSchema } from './config/schema/dataset.js';
export { inWords, type JsonSchema, toJsonSchema } from './config/schema/describe.js';
export { configJsonSchema } from './config/schema/json_schema.js';
export { type HasSchema, key, needed, section, types } from './config/schema/key.js';
export { readSection } from './config/schema/read.js';
export { captioningSchema, launchSchema, scheduleSchema, trainingSchema } from './config/schema/run.js';
export {
  describeOrigin,
  isPlainObject,
  leaves,
  type Origin,
  type PlainObject,
  type PlainValue,
  type Tree,
  toPlain,
} from './config/tree.js';
export { parseYaml } from './config/yaml.js';
