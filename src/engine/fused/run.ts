import { tf } from '../tf.js';

/** Inputs of a kernel by name; absent ones are left out. */
export type KernelInputs = Record<string, tf.Tensor | undefined>;

/** True where the active backend has the kernel. */
export const hasKernel = (name: string): boolean => tf.getKernel(name, tf.getBackend()) != null;

/** Runs a kernel of the active backend, recorded on the tape with its registered gradient. */
export function runKernel<T extends tf.Tensor | tf.Tensor[] = tf.Tensor>(
  name: string,
  inputs: KernelInputs,
  attrs: object = {},
): T {
  const present = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor !== undefined));
  return tf.engine().runKernel(name, present as tf.NamedTensorMap, attrs as tf.NamedAttrMap) as T;
}

/**
 * A fused operation's two ways down: the active backend's own kernel, or a composition of plain
 * TensorFlow.js operations.
 */
export function fused(
  name: string,
  inputs: KernelInputs,
  attrs: object,
  composition: () => tf.Tensor,
): tf.Tensor {
  return hasKernel(name) ? runKernel(name, inputs, attrs) : tf.tidy(composition);
}
