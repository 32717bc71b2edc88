import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Bytes that a rank offers at a time: large enough that waiting costs little, small enough for the cache. */
const SLOT_BYTES = 8 * 1024 * 1024;
const MEMORY_FOLDER = '/dev/shm';

/**
 * A file in memory that one rank writes and the others read. It has no name once all have opened it, so
 * that nothing is left behind however the processes end.
 */
export class SharedMemory {
  readonly path: string;
  readonly #file: number;
  readonly #others = new Map<number, number>();

  private constructor(path: string, file: number) {
    this.path = path;
    this.#file = file;
  }

  /** @param label names the run, so that its launcher can clean up */
  static create(label: string): SharedMemory {
    const name = `${label}-${randomBytes(6).toString('hex')}`;
    const path = join(memoryFolder(), name);
    return new SharedMemory(path, openSync(path, 'wx+', 0o600));
  }

  /** Opens the other ranks' files. */
  open(offers: Map<number, { path: string }>): void {
    for (const [rank, { path }] of offers) this.#others.set(rank, openSync(path, 'r'));
  }

  /** Takes the name away; open files live on. */
  unlink(): void {
    rmSync(this.path, { force: true });
  }

  write(bytes: Uint8Array, at: number): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#file, bytes, done, bytes.length - done, at + done);
    }
  }

  /** Reads from another rank's file. */
  read(rank: number, bytes: Uint8Array, at: number): void {
    const file = this.#others.get(rank)!;
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(file, bytes, done, bytes.length - done, at + done);
      if (count === 0) throw new Error(`rank ${rank}'s shared memory ends at byte ${at + done}`);
      done += count;
    }
  }

  close(): void {
    this.unlink();
    closeSync(this.#file);
    for (const file of this.#others.values()) closeSync(file);
    this.#others.clear();
  }
}

/** Bytes of a rank's slot: less where shared memory is small, as in containers. */
export function slotBytes(worldSize: number): number {
  const { bavail, bsize } = statfsSync(memoryFolder());
  const fair = Math.floor((bavail * bsize) / (4 * worldSize));
  return Math.max(64 * 1024, Math.min(SLOT_BYTES, fair - (fair % 65536)));
}

export function memoryFolder(): string {
  try {
    statfsSync(MEMORY_FOLDER);
    return MEMORY_FOLDER;
  } catch {
    return tmpdir(); // Systems without /dev/shm: the page cache serves as well.
  }
}
