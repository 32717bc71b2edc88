import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Check } from './checks.js';

const run = promisify(execFile);

const VENDORS: Record<string, string> = { '10de': 'NVIDIA', '1002': 'AMD', '8086': 'Intel' };

/** A graphics card that is built in, whether its driver is there or not. */
export interface Card {
  /** In words where it is a known one. */
  vendor: string;
  /** PCI's numbers, `10de:2330`. */
  id: string;
}

/** The graphics cards on the bus, where the system tells: Linux does. */
export async function cardsOnBus(folder = '/sys/bus/pci/devices'): Promise<Card[]> {
  const devices = await readdir(folder).catch(() => []);
  const cards = await Promise.all(
    devices.map(async (device): Promise<Card[]> => {
      const [kind, vendor, model] = await Promise.all(
        ['class', 'vendor', 'device'].map(async (name) => {
          const text = await readFile(join(folder, device, name), 'utf8').catch(() => '');
          return text.trim().replace(/^0x/, '');
        }),
      );
      // 03: display controllers
      return kind.startsWith('03') ? [{ vendor: VENDORS[vendor] ?? vendor, id: `${vendor}:${model}` }] : [];
    }),
  );
  return cards.flat();
}

/** Whether NVIDIA's driver shows a card: what a run takes unless told otherwise. */
export const hasGpu = async (): Promise<boolean> => (await checkGpus()).state === 'good';

/** What NVIDIA's driver shows, or else what is on the bus and lacks a driver. */
export async function checkGpus(folder?: string): Promise<Check> {
  const title = 'GPUs';
  const fields = 'index,name,memory.total,driver_version';
  try {
    const { stdout } = await run('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader']);
    return { title, state: 'good', text: stdout.trim().split('\n').join('; ') };
  } catch {
    const cards = await cardsOnBus(folder);
    const nvidia = cards.some(({ vendor }) => vendor === 'NVIDIA');
    const found = cards.map(({ vendor, id }) => `${vendor} ${id}`).join(', ') || 'none on the PCI bus';
    if (nvidia) {
      const help = "NVIDIA's driver: nvidia-smi has to show the card, also inside a container";
      return { title, state: 'absent', text: `${found}, without NVIDIA's driver (no nvidia-smi)`, help };
    }
    if (cards.length > 0) {
      const help = 'webgpu works with AMD and Intel: apt-get install mesa-vulkan-drivers libvulkan1';
      const text = `${found} (NVIDIA's driver shows none)`;
      return { title, state: 'absent', text, help: process.platform === 'linux' ? help : undefined };
    }
    const text = process.platform === 'linux' ? found : "NVIDIA's driver shows none";
    const help = 'the cpu engine needs none; cards of other makers work through webgpu';
    return { title, state: 'absent', text, help };
  }
}
