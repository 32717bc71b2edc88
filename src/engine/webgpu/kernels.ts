import { tf } from '../tf.js';
import {
  type CallOn,
  type KernelOn,
  type KernelResult,
  registeredKernel,
  registerKernel,
} from '../tfjs_internals.js';
import type { LavisWebGpuBackend } from './backend.js';

/** The name under which the backend is registered. */
export const BACKEND = 'webgpu';

export type KernelCall<Attrs> = CallOn<LavisWebGpuBackend, Attrs>;
export type Kernel<Attrs> = KernelOn<LavisWebGpuBackend, Attrs>;

export function kernel<Attrs = object>(kernelName: string, run: Kernel<Attrs>): void {
  registerKernel(kernelName, BACKEND, run);
}

/** A kernel that TensorFlow.js brings for this backend. */
export function builtIn<Attrs>(kernelName: string): Kernel<Attrs> {
  return registeredKernel(kernelName, BACKEND);
}

/** Replaces a kernel of TensorFlow.js; `run` is given the one it replaces. */
export function wrapKernel<Attrs>(
  kernelName: string,
  run: (call: KernelCall<Attrs>, original: Kernel<Attrs>) => KernelResult,
): void {
  const original = builtIn<Attrs>(kernelName);
  tf.unregisterKernel(kernelName, BACKEND);
  kernel<Attrs>(kernelName, (call) => run(call, original));
}

export const sizeOf = (tensor: tf.TensorInfo): number => tf.util.sizeFromShape(tensor.shape);

/** A tensor of one value. */
export function filled(backend: LavisWebGpuBackend, shape: number[], value: number, dtype: tf.DataType) {
  const fill = builtIn<object>('Fill');
  return fill({ inputs: {}, attrs: { shape, value, dtype }, backend }) as tf.TensorInfo;
}
