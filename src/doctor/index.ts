/** Door of doctor: what of a machine helps or hinders. Loads no engine: each is tried in a process of its own. */
export {
  type Check,
  checkCache,
  checkEngine,
  checked,
  checkHost,
  checkMachine,
  checkNode,
  checkProgram,
} from './checks.js';
export { checkGpus } from './gpus.js';
