import { DistributedError } from '../../common/errors.js';
import { findViewMemory } from '../../common/foreign_memory.js';

/** A file's bytes as this process's memory, until `release`. */
export interface Mapping {
  readonly bytes: Uint8Array<ArrayBuffer>;
  release(): void;
}
export type MapFile = (file: number, bytes: number, writable: boolean) => Mapping;

/** Set to 0 to go without mappings. */
const SWITCH = 'LAVIS_MAP_MEMORY';
const READ = 1;
const READ_WRITE = 3;
const SHARED = 1;
const FAILED = 2n ** 64n - 1n;

/**
 * The system's mmap, where koffi can be loaded and the system has one. A mapping is read and written half as
 * fast again as a file, and nothing more: whoever gets none reads and writes.
 */
export async function findMapping(env: Record<string, string | undefined>): Promise<MapFile | undefined> {
  if (env[SWITCH] === '0' || process.platform === 'win32') return undefined;
  if (!findViewMemory()) return undefined;
  try {
    const { default: koffi } = await import('koffi');
    const system = koffi.load(null);
    const mmap = system.func(
      'void *mmap(void *at, size_t bytes, int protection, int flags, int file, int64_t from)',
    );
    const munmap = system.func('int munmap(void *at, size_t bytes)');
    return (file, bytes, writable) => {
      const at: unknown = mmap(null, bytes, writable ? READ_WRITE : READ, SHARED, file, 0);
      if (koffi.address(at) === FAILED) throw new DistributedError(`mmap of ${bytes} bytes failed`);
      return { bytes: new Uint8Array(koffi.view(at, bytes)), release: () => munmap(at, bytes) };
    };
  } catch {
    return undefined;
  }
}
