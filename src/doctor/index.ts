/** Door of doctor: what of a machine helps or hinders. Loads no engine: each is tried in a process of its own. */
export type { Check } from './checks.js';
export { examineMachine } from './examine.js';
export { hasGpu } from './gpus.js';
