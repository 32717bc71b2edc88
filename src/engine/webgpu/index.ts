import { EngineError } from '../../common/errors.js';
import { quietly } from '../../common/quiet.js';
import { localRank } from '../../common/world.js';
import { tf } from '../tf.js';
import { listAdapters, openAdapter } from './adapters.js';
import { LavisWebGpuBackend } from './backend.js';
import { registerFused } from './fused/index.js';
import { BACKEND } from './kernels.js';
import { registerOverrides } from './overrides.js';

export { type ListedAdapter, listAdapters } from './adapters.js';

export interface WebGpuOptions {
  /** An adapter by its index or a part of its name; the fastest by default. */
  adapter?: number | string;
  /** Refuses adapters that are programs on the CPU. */
  hardwareOnly?: boolean;
}

let opened: { adapter: WebGpuOptions['adapter']; description: string } | undefined;

/**
 * Registers the webgpu backend of TensorFlow.js over Dawn, with our kernels.
 * @throws EngineError where Dawn cannot be loaded or finds no such graphics adapter
 */
export async function registerWebGpuBackend({ adapter: wanted, hardwareOnly }: WebGpuOptions) {
  if (opened && (wanted === undefined || wanted === opened.adapter)) {
    return { backend: BACKEND, description: opened.description };
  }
  if (opened)
    throw new EngineError('this process has a WebGPU device already', { found: opened.description });
  const { gpu, adapter, pump } = await openAdapter(wanted ?? (await adapterOfRank()));
  const { info } = adapter;
  const name = info.description || info.device || info.vendor || 'an adapter';
  if (hardwareOnly && info.isFallbackAdapter) {
    throw new EngineError(`no graphics card, only ${name}, a program on the processor`);
  }
  const description = `WebGPU on ${name}${info.isFallbackAdapter ? ', a program on the processor' : ''}`;
  const device = await pump.call(() =>
    quietly(() =>
      adapter.requestDevice({
        requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
        requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
      }),
    ),
  );
  provideNavigator(gpu);
  const backend = new LavisWebGpuBackend(device, info, pump);
  if (tf.findBackendFactory(BACKEND)) tf.removeBackend(BACKEND);
  tf.registerBackend(BACKEND, () => backend);
  registerOverrides();
  registerFused();
  opened = { adapter: wanted, description };
  return { backend: BACKEND, description };
}

/** Workers of one machine take its graphics cards in turn. */
async function adapterOfRank(): Promise<number | undefined> {
  const rank = localRank(process.env);
  if (rank === undefined) return undefined;
  const adapters = await listAdapters();
  return adapters.length > 1 ? rank % adapters.length : undefined;
}

const FEATURES = ['timestamp-query', 'shader-f16'] as const satisfies GPUFeatureName[];

/** Of these the adapter's most is asked for; WebGPU's defaults are too small for large models. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
] as const satisfies (keyof GPUSupportedLimits)[];

/** TensorFlow.js looks for a browser's `navigator.gpu`. */
function provideNavigator(gpu: GPU): void {
  const existing = (globalThis as { navigator?: object }).navigator;
  const target = existing ?? { userAgent: `Node.js/${process.versions.node}` };
  Object.defineProperty(target, 'gpu', { value: gpu, configurable: true });
  if (!existing) Object.defineProperty(globalThis, 'navigator', { value: target, configurable: true });
}
