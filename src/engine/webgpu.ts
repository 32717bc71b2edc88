import { createRequire } from 'node:module';

interface Adapter {
  info?: { vendor?: string; architecture?: string; description?: string };
}

/**
 * The webgpu backend of TensorFlow.js over Dawn.
 * @throws where Dawn cannot be loaded or finds no graphics adapter
 */
export async function registerWebGpuBackend(): Promise<{ backend: string; description: string }> {
  const { create, globals } = await import('webgpu');
  const gpu = create([]);
  const adapter = (await gpu.requestAdapter({ powerPreference: 'high-performance' })) as Adapter | null;
  if (!adapter) throw new Error('no graphics adapter');
  // TensorFlow.js looks for a browser's globals.
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
  createRequire(import.meta.url)('@tensorflow/tfjs-backend-webgpu');
  const { description, architecture, vendor } = adapter.info ?? {};
  return {
    backend: 'webgpu',
    description: `WebGPU on ${description || architecture || vendor || 'an adapter'}`,
  };
}
