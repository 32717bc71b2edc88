import { EngineError, messageOf } from '../common/errors.js';

/** The kinds of devices, in the order in which 'auto' tries them. */
export const DEVICES = ['cuda', 'webgpu', 'cpu'] as const;

export interface Device {
  name: (typeof DEVICES)[number];
  /** webgpu: also a part of the adapter's name. */
  index?: number | string;
}

export interface DeviceOptions {
  threads: number;
  /** Nobody named the device: a poor one is not worth taking. */
  auto?: boolean;
}

/** A TensorFlow.js backend that is registered and may be chosen. */
export interface OpenDevice {
  backend: string;
  description: string;
}

/** Loads what a device needs and registers its backend. @throws where it cannot */
export function openDevice(device: Device, options: DeviceOptions): Promise<OpenDevice> {
  return OPEN[device.name](device, options);
}

const OPEN: Record<Device['name'], (device: Device, options: DeviceOptions) => Promise<OpenDevice>> = {
  cpu: openCpu,
  cuda: openCuda,
  webgpu: openWebGpu,
};

async function openCpu(_device: Device, { threads }: DeviceOptions): Promise<OpenDevice> {
  try {
    const { registerOnnxBackend } = await import('./onnx/index.js');
    const description = `ONNX Runtime on ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
    return { backend: registerOnnxBackend(threads), description };
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError(messageOf(error), { help: 'npm install --ignore-scripts lavis', cause: error });
  }
}

async function openCuda({ index }: Device): Promise<OpenDevice> {
  const { openCudaBackend } = await import('./cuda/index.js');
  return openCudaBackend({ index: index as number | undefined });
}

async function openWebGpu({ index }: Device, { auto }: DeviceOptions): Promise<OpenDevice> {
  const { registerWebGpuBackend } = await import('./webgpu/index.js');
  return registerWebGpuBackend({ adapter: index, hardwareOnly: auto });
}

/** The graphics adapters that `webgpu:<number>` counts. @throws EngineError where there is no WebGPU */
export async function listAdapters(): Promise<{ name: string; backend: string }[]> {
  return (await import('./webgpu/index.js')).listAdapters();
}
