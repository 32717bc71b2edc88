export { isLaunched, readWorld, type World } from '../common/world.js';
export { onRankZero, requireSame, warnTogether } from './collectives.js';
export {
  type Backend,
  type CallOptions,
  type Communicator,
  DEFAULT_TIMEOUT_SECONDS,
  type NumericArray,
  type ReduceOptions,
  SingleCommunicator,
} from './communicator.js';
export { leaveToLauncher } from './faults.js';
export { broadcastVariables, GradientAverager, type GradientAveragerOptions } from './gradients.js';
export { type InitOptions, initCommunicator } from './init.js';
export { type LaunchOptions, launch, workerCount } from './launch/launcher.js';
export { holdLifeline } from './launch/lifeline.js';
export { workerDevices } from './launch/worker_process.js';
export {
  type Algorithm,
  allReduceSeconds,
  type Cluster,
  type Link,
  predictStep,
  type StepPrediction,
  scalesUpTo,
  type Workload,
} from './scaling.js';
