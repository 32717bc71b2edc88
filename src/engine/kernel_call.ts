/** Kernels of backends of ours: here is what TensorFlow.js leaves untyped of them, attributes and backend. */
import { tf } from './tf.js';

export interface CallOn<Backend, Attrs> {
  inputs: Record<string, tf.TensorInfo>;
  attrs: Attrs;
  backend: Backend;
}

export type KernelResult = tf.TensorInfo | tf.TensorInfo[];
export type KernelOn<Backend, Attrs> = (call: CallOn<Backend, Attrs>) => KernelResult;

export function registerKernel<Backend, Attrs>(
  kernelName: string,
  backendName: string,
  run: KernelOn<Backend, Attrs>,
): void {
  tf.registerKernel({ kernelName, backendName, kernelFunc: run as unknown as tf.KernelFunc });
}

export function registeredKernel<Backend, Attrs>(
  kernelName: string,
  backendName: string,
): KernelOn<Backend, Attrs> {
  return tf.getKernel(kernelName, backendName).kernelFunc as unknown as KernelOn<Backend, Attrs>;
}
