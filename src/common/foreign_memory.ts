import { createRequire } from 'node:module';
import { messageOf } from './errors.js';
import { log } from './logging.js';

/** An array over memory that is not the engine's own, by its address. */
export type ViewMemory = (address: bigint, bytes: number) => ArrayBuffer;

interface Koffi {
  alloc(type: string, length: number): unknown;
  view(memory: unknown, bytes: number): ArrayBuffer;
}

const PROBE_BYTES = 16;

/**
 * Undefined where koffi cannot be loaded, or the program that runs us forbids such arrays (Electron, builds with
 * pointer compression): whoever wants one has to do without.
 */
export function findViewMemory(): ViewMemory | undefined {
  try {
    const { alloc, view } = createRequire(import.meta.url)('koffi') as Koffi;
    // Only trying tells. The bytes stay: an array refers to them.
    view(alloc('uint8', PROBE_BYTES), PROBE_BYTES);
    return view;
  } catch (error) {
    log.debug(`no arrays over foreign memory: ${messageOf(error)}`);
    return undefined;
  }
}
