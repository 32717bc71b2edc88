/** Door of src/common/config/: reading, merging, checking configurations. */
export { Config, type ConfigOptions } from './config/config.js';
export type { HasDefaults } from './config/defaults.js';
export { shownPath } from './config/files.js';
export { loadPlugin } from './config/plugins.js';
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
