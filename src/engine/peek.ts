import { tf } from './tf.js';

/** A backend that can show a tensor's values where they lie. */
interface Showing {
  values?(info: tf.TensorInfo): tf.TypedArray;
}

/**
 * The values of a tensor without a copy where the engine has them in the host's memory: to be read at once,
 * never kept nor changed. `dataSync` gives values that may be kept.
 */
export function peek(x: tf.Tensor): tf.TypedArray {
  const backend = tf.backend() as unknown as Showing;
  return backend.values?.(x) ?? x.dataSync();
}

/** True where tensors lie in the host's memory: reading one waits for nothing. */
export const isHostMemory = (): boolean =>
  tf.getBackend() === 'cpu' || (tf.backend() as unknown as Showing).values !== undefined;
