/**
 * What we use of TensorFlow.js 4.22 that its types do not promise: how operations are recorded, where values lie, what
 * a kernel is handed. A newer version is to be compared here first.
 */
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

/** Gives memory that nothing uses back to the system, once something large is gone for good. */
export function releaseIdleMemory(): void {
  (tf.backend() as unknown as { pool?: { clear(): void } }).pool?.clear();
}

/** Bytes of a graphics card that the engine holds, idle ones included; undefined where it has none or does not tell. */
export function deviceMemory(): number | undefined {
  return (tf.memory() as { numBytesAllocatedInGPU?: number }).numBytesAllocatedInGPU;
}

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
