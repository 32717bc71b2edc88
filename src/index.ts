/** The library's door: `import { registry, Config, setupEngine, loadModel } from 'lavis'`. */
export * from './common/errors.js';
export { type Kind, Registry, type RegistryKinds, registry } from './common/registry.js';
