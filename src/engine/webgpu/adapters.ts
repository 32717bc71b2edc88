import { createRequire } from 'node:module';
import { EngineError, messageOf } from '../../common/errors.js';
import { quietly } from '../../common/quiet.js';
import { EventPump } from './pump.js';

/** A graphics adapter as Dawn lists it. */
export interface ListedAdapter {
  backend: string;
  name: string;
}

export interface OpenAdapter {
  gpu: GPU;
  adapter: GPUAdapter;
  pump: EventPump;
}

interface Dawn {
  create(options: string[]): GPU;
  globals: object;
}

/** @throws EngineError where the package `webgpu` has no binary for this platform, or there is no Vulkan */
async function loadDawn(): Promise<Dawn> {
  loadVulkan();
  try {
    return (await import('webgpu')) as unknown as Dawn;
  } catch (error) {
    throw new EngineError(messageOf(error), { help: 'npm install webgpu', cause: error });
  }
}

/** Held, for koffi closes libraries that nobody holds. */
const libraries: unknown[] = [];

/**
 * Dawn finds a library that is loaded already: LAVIS_VULKAN_LOADER names a libvulkan.so.1 for machines that
 * have none where the system looks (Chromium brings one, with a software adapter).
 */
function loadVulkan(): void {
  if (process.platform !== 'linux') return;
  const path = process.env.LAVIS_VULKAN_LOADER;
  const koffi = createRequire(import.meta.url)('koffi') as { load(path: string): unknown };
  try {
    libraries.push(quietly(() => koffi.load(path ?? 'libvulkan.so.1')));
  } catch (error) {
    throw new EngineError(
      path ? `${path} cannot be loaded: ${messageOf(error)}` : 'no Vulkan on this machine',
      {
        where: path && 'LAVIS_VULKAN_LOADER',
        help: `${noAdapterHelp()}\nor LAVIS_VULKAN_LOADER=<path of a libvulkan.so.1>`,
        cause: error,
      },
    );
  }
}

/** All graphics adapters that Dawn finds. WebGPU has no such list: it is read from Dawn's complaint. */
export async function listAdapters(): Promise<ListedAdapter[]> {
  const { create } = await loadDawn();
  const pump = new EventPump();
  try {
    await pump.call(() => quietly(() => create(['adapter=?']).requestAdapter()));
  } catch (error) {
    const lines = messageOf(error).matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm);
    return [...lines].map(([, backend, name]) => ({ backend, name })).filter((a) => a.backend !== 'null');
  }
  return [];
}

/**
 * The adapter of that index or name (a part of it is enough), the fastest by default.
 * @throws EngineError where there is none: the list of those that are there
 */
export async function openAdapter(wanted?: number | string): Promise<OpenAdapter> {
  const { create, globals } = await loadDawn();
  Object.assign(globalThis, globals);
  const name = wanted === undefined ? undefined : chooseName(await listAdapters(), wanted);
  const gpu = quietly(() => create(name === undefined ? [] : [`adapter=${name}`]));
  const pump = new EventPump();
  const adapter = await pump.call(() =>
    quietly(() => gpu.requestAdapter({ powerPreference: 'high-performance' })),
  );
  if (!adapter) throw new EngineError('no graphics adapter', { help: noAdapterHelp() });
  return { gpu, adapter, pump };
}

function chooseName(adapters: ListedAdapter[], wanted: number | string): string {
  const index =
    typeof wanted === 'number'
      ? wanted
      : adapters.findIndex(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  const chosen = adapters[index];
  if (!chosen) {
    throw new EngineError(`no graphics adapter ${typeof wanted === 'number' ? wanted : `'${wanted}'`}`, {
      found: adapters.map(({ name, backend }, i) => `${i}: ${name} (${backend})`).join('\n') || 'none',
      help:
        adapters.length > 0
          ? '--device webgpu:<number> or webgpu:<part of its name>, of those that are there'
          : noAdapterHelp(),
    });
  }
  // Dawn tells adapters apart by name only.
  const twins = adapters.filter(({ name }) => name === chosen.name);
  if (twins.indexOf(chosen) > 0) {
    throw new EngineError(`Dawn cannot tell adapter ${index} from adapter ${adapters.indexOf(twins[0])}`, {
      found: `${twins.length} adapters named ${chosen.name}`,
      help: 'give each process one GPU from outside (a container, VK_LOADER_DEVICE_ID_FILTER), or use cuda',
    });
  }
  return chosen.name;
}

function noAdapterHelp(): string {
  if (process.platform !== 'linux') return "the graphics card's driver";
  return "the graphics card's driver with Vulkan, and its loader: apt-get install libvulkan1";
}
