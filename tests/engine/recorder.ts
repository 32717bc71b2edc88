import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { tf } from '#src/engine/index.js';

/** A kernel as something called it. */
export interface KernelRun {
  kernel: string;
  /** Element types by input name. */
  inputs: Record<string, string>;
}

const NAME = 'recorder';

/**
 * A backend that notes what it is asked for: TensorFlow.js's own cpu backend and kernels, and none of ours,
 * so that fused operations take their plain way.
 */
export async function useRecorder(): Promise<KernelRun[]> {
  const runs = new Map<string, KernelRun>();
  const backend = new MathBackendCPU();
  tf.registerBackend(NAME, () => backend);
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('cpu')) {
    const recording: tf.KernelFunc = (call) => {
      note(kernelName, call.inputs);
      return kernelFunc(call);
    };
    tf.registerKernel({ kernelName, backendName: NAME, kernelFunc: recording });
  }
  await tf.setBackend(NAME);
  const list: KernelRun[] = [];
  const note = (kernel: string, inputs: tf.NamedTensorInfoMap) => {
    const types = Object.entries(inputs ?? {})
      .filter(([, tensor]) => tensor)
      .map(([name, tensor]) => [name, tensor!.dtype]);
    const run = { kernel, inputs: Object.fromEntries(types) };
    const key = JSON.stringify(run);
    if (runs.has(key)) return;
    runs.set(key, run);
    list.push(run);
  };
  return list;
}
