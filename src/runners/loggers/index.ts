/** Loggers: hooks that hand a run's numbers on, each in the form that others read. */
import { makeHooks, type RunHook } from '../hooks.js';
import { TensorBoardHook } from './tensorboard.js';
import './csv.js';
import './mlflow.js';

/** The hooks that `run.hooks` names, and TensorBoard's, which every run has. @throws ConfigError */
export function loggersAndHooks(named: readonly unknown[]): RunHook[] {
  const hooks = makeHooks(named);
  return hooks.some((hook) => hook instanceof TensorBoardHook) ? hooks : [new TensorBoardHook(), ...hooks];
}
