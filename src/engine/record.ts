import { tf } from './tf.js';

/** An operation with its gradients by input, as TensorFlow.js 4.22 records it on its tape. */
export interface Operation {
  inputs: tf.NamedTensorMap;
  forwardFunc(backend: unknown, save: (tensors: tf.Tensor[]) => void): tf.Tensor;
  backwardsFunc(dy: tf.Tensor, saved: tf.Tensor[]): Record<string, () => tf.Tensor>;
}

/** What tf.customGrad does, with gradients by name that are computed only when asked for. */
export const recordOperation = (operation: Operation): tf.Tensor =>
  (tf.engine() as unknown as { runKernelFunc(operation: Operation): tf.Tensor }).runKernelFunc(operation);

/** The same for an operation of several results. */
export interface Operations {
  inputs: tf.NamedTensorMap;
  forwardFunc(backend: unknown, save: (tensors: tf.Tensor[]) => void): tf.Tensor[];
  /** `dys` has zeros for results that nothing depends on. */
  backwardsFunc(dys: tf.Tensor[], saved: tf.Tensor[]): Record<string, () => tf.Tensor>;
}

export const recordOperations = (operations: Operations): tf.Tensor[] =>
  (tf.engine() as unknown as { runKernelFunc(operations: Operations): tf.Tensor[] }).runKernelFunc(
    operations,
  );

/** True where operations are being recorded for a backward pass. */
export function isTaping(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}
