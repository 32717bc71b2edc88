/** Door of runs: a run made ready, tried out and carried out; what it takes and what it must download. */
export {
  type BestWeights,
  type CarryOutOptions,
  type EvaluateOptions,
  evaluate,
  type RunResult,
  type TrainOptions,
  type TrainResult,
  train,
  weightsToEvaluate,
} from './carry_out.js';
export { downloadsOf } from './downloads.js';
export { dryRun } from './dry_run.js';
export { claimJob, findJob } from './job.js';
export { type LaunchRunOptions, launchRun } from './launch.js';
export { chooseEngine, makeRunner, prepareRun } from './prepare_run.js';
export { clearStore, describeKept, keptSets } from './remember/store.js';
