/** Door of config: reading, merging, checking configurations. */

export { Config, type ConfigOptions, type Overrides } from './config.js';
export { defaultFileOf, type HasDefaults, readYamlFile } from './defaults.js';

export { loadPlugin } from './plugins.js';
export { originsOf, yamlWithOrigins } from './print.js';
export { readSection, readTree } from './read_section.js';
export { hooksOf, type NamedHook } from './schema/compose.js';
export { inWords, type JsonSchema, toJsonSchema } from './schema/describe.js';
export { configJsonSchema } from './schema/json_schema.js';
export { type Conflict, type HasOptions, type HasSchema, key, section, types } from './schema/key.js';
export { launchSchema } from './schema/launch.js';
export { deceptiveIn } from './syntax_help.js';
export { describeOrigin, isPlainObject, leaves, type PlainObject, type PlainValue, toPlain } from './tree.js';
export { parseYaml } from './yaml.js';
