import { randomBytes } from 'node:crypto';
import { accessSync, closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DistributedError } from '../../common/errors.js';
import { findViewMemory } from '../../common/foreign_memory.js';

const MEMORY_FOLDER = '/dev/shm';
const ZEROS = new Uint8Array(1024 * 1024);

/** A file in memory, until all have opened it with a name. */
export interface NamedFile {
  readonly path: string;
  readonly descriptor: number;
  /** Takes the name away; whoever has it open or mapped keeps it. */
  unlink(): void;
  close(): void;
}

/**
 * Creates a file of zeros that has all its memory: writing to a mapping finds no error when there is no
 * more, but the end.
 * @param label begins its name and names the run, so that its launcher can clean up
 */
export function createMemoryFile(label: string, bytes: number): NamedFile {
  const path = join(memoryFolder(), `${label}-${randomBytes(6).toString('hex')}`);
  const descriptor = openSync(path, 'wx+', 0o600);
  const file: NamedFile = {
    path,
    descriptor,
    unlink: () => rmSync(path, { force: true }),
    close: () => closeSync(descriptor),
  };
  try {
    for (let done = 0; done < bytes; ) {
      done += writeSync(descriptor, ZEROS, 0, Math.min(ZEROS.length, bytes - done), done);
    }
    return file;
  } catch (error) {
    file.unlink();
    file.close();
    throw error;
  }
}

export function memoryFolder(): string {
  try {
    accessSync(MEMORY_FOLDER, constants.W_OK);
    return MEMORY_FOLDER;
  } catch {
    return tmpdir(); // Systems without /dev/shm, or where it is read-only: the page cache serves as well.
  }
}

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
