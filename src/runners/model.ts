import type { HostTensor } from '../common/host_tensor.js';
import type { tf } from '../engine/index.js';
import type { ParamGroup } from '../optim/index.js';
import type { TrainableModel } from '../tasks/index.js';

/** What a runner needs of a model; every model of ours is one. */
export interface RunnableModel extends TrainableModel {
  namedParameters(): Map<string, tf.Variable>;
  stateDict(): Map<string, tf.Tensor>;
  loadStateDict(state: Map<string, HostTensor>, options?: { strict?: boolean }): unknown;
  getOptimizerParams(weightDecay: number): ParamGroup[];
  /** Starts the generator of dropout and drop path. */
  seed(seed: number): void;
  /** The generator's state, plain numbers. */
  rngState(): number[];
  restoreRngState(state: readonly number[]): void;
}
