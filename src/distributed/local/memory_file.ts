import { randomBytes } from 'node:crypto';
import { accessSync, closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
