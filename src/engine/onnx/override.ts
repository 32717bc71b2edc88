import { tf } from '../tf.js';
import {
  type CallOn,
  type KernelOn,
  type KernelResult,
  registeredKernel,
  registerKernel,
} from '../tfjs_internals.js';
import type { OnnxBackend } from './backend.js';

/** The name under which the backend is registered. */
export const BACKEND = 'onnx';

export type KernelCall<Attrs> = CallOn<OnnxBackend, Attrs>;
type Kernel<Attrs> = KernelOn<OnnxBackend, Attrs>;

/** Registers a kernel that only this backend has. */
export function kernel<Attrs = object>(kernelName: string, run: Kernel<Attrs>): void {
  registerKernel(kernelName, BACKEND, run);
}

/**
 * Replaces a kernel of the cpu backend. `run` returns undefined for what it does not take (other element
 * types, odd shapes); 0-sized tensors never reach it. The cpu kernel does those.
 */
export function replaceCpuKernel<Attrs = object>(
  kernelName: string,
  run: (call: KernelCall<Attrs>) => KernelResult | undefined,
): void {
  const fallback = cpuKernel<Attrs>(kernelName);
  replace<Attrs>(kernelName, (call) => {
    const empty = Object.values(call.inputs).some((x) => x?.shape.includes(0));
    return (empty ? undefined : run(call)) ?? fallback(call);
  });
}

/** Copies all cpu kernels to this backend. */
export function copyCpuKernels(): void {
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) replace(kernelName, cpuKernel(kernelName));
}

function replace<Attrs = object>(kernelName: string, run: Kernel<Attrs>): void {
  if (tf.getKernel(kernelName, BACKEND)) tf.unregisterKernel(kernelName, BACKEND);
  kernel(kernelName, run);
}

/**
 * The cpu backend's kernel over this backend's tensors. Some return a window into their input's memory,
 * which would change when the pool uses it again: those results are copied.
 */
function cpuKernel<Attrs = object>(kernelName: string): Kernel<Attrs> {
  const run = registeredKernel<OnnxBackend, Attrs>(kernelName, 'cpu');
  return (call) => {
    const result = call.backend.keepingArrays(() => run(call));
    const inputs = Object.values(call.inputs).filter((x) => x && call.backend.entry(x.dataId)?.owned);
    for (const output of [result].flat()) {
      const entry = call.backend.entry(output.dataId);
      const shares = (x: tf.TensorInfo) =>
        x.dataId !== output.dataId && call.backend.entry(x.dataId).values.buffer === entry.values?.buffer;
      if (inputs.some(shares)) entry.values = entry.values.slice();
    }
    return result;
  };
}

/** True where all tensors are float32. */
export const allFloat = (...tensors: tf.TensorInfo[]): boolean => tensors.every((x) => x.dtype === 'float32');
