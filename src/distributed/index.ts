export { isLaunched, readWorld } from '../common/world.js';
export { onRankZero, warnTogether } from './collectives.js';
export { type Communicator, SingleCommunicator } from './communicator.js';
export { leaveToLauncher } from './faults.js';
export { broadcastVariables, GradientAverager } from './gradients.js';
export { initCommunicator } from './init.js';
export { launch } from './launch/launcher.js';

export { workerDevices } from './launch/worker_process.js';
export { predictStep, scalesUpTo } from './scaling.js';
