import { tf } from '../tf.js';
import { recordOperation } from '../tfjs_internals.js';

/** Inputs of a kernel by name; absent ones are left out. */
export type KernelInputs = Record<string, tf.Tensor | undefined>;

/** True where the active backend has the kernel. */
export const hasKernel = (name: string): boolean => tf.getKernel(name, tf.getBackend()) != null;

const present = (inputs: KernelInputs): tf.NamedTensorMap =>
  Object.fromEntries(Object.entries(inputs).filter((entry): entry is [string, tf.Tensor] => !!entry[1]));

/** Runs a kernel of the active backend. */
export function runKernel(name: string, inputs: KernelInputs, attrs: object = {}): tf.Tensor {
  return tf.engine().runKernel(name, present(inputs), attrs as tf.NamedAttrMap) as tf.Tensor;
}

/** Runs a kernel that has several results. */
export function runKernels(name: string, inputs: KernelInputs, attrs: object = {}): tf.Tensor[] {
  return tf.engine().runKernel(name, present(inputs), attrs as tf.NamedAttrMap) as tf.Tensor[];
}

/** A fused operation: two ways down, one definition. */
export interface FusedOperation {
  /** The kernel that a backend must have for the fused way. */
  kernel: string;
  inputs: KernelInputs;
  /** Runs the kernel; `save` keeps tensors for the backward pass, where there will be one. */
  forward(save: (...tensors: tf.Tensor[]) => void): tf.Tensor;
  /** The gradients of the inputs, each computed when asked for; `saved` as given to `save`. */
  backward(dy: tf.Tensor, saved: tf.Tensor[]): Record<string, () => tf.Tensor>;
  /** The same in plain TensorFlow.js operations, for backends without the kernel. */
  composition(): tf.Tensor;
}

export function fused(operation: FusedOperation): tf.Tensor {
  if (!hasKernel(operation.kernel)) return tf.tidy(() => operation.composition());
  return recordOperation({
    inputs: present(operation.inputs),
    forwardFunc: (_backend, save) => operation.forward((...tensors) => save(tensors)),
    backwardsFunc: (dy, saved) => operation.backward(dy, saved),
  });
}
