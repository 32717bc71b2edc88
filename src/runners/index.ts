/** The runners: when training, evaluation, checkpoints and logs happen. */
export { BaseRunner, type RunnerClass, type RunnerOptions } from './base_runner.js';
export { newestCheckpoint, restoreWeights } from './checkpoints.js';
export { type HookClass, hooksOfDryRun, type Run, type RunHook, type StepEvent } from './hooks.js';
export { type MetricsLine, readMetrics } from './metrics_log.js';
export { checkMonitor, wantsLoss } from './monitor.js';
export { isCheckpointDue, isValidationDue } from './plan.js';
export { newJobId, shownFile } from './run_folder.js';
export type { RunRecord } from './run_record_hook.js';
export { RunnerBase } from './runner_base.js';
export { RunnerIter } from './runner_iter.js';
export { type RunSettings, runSettings } from './settings.js';
export { splitLosses } from './split_losses.js';
export { checkSplits, type DatasetsBySplit, evaluated, trainingForm } from './splits.js';
