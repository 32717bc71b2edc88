import { closeSync, openSync, readSync, statfsSync, writeSync } from 'node:fs';
import { DistributedError } from '../../common/errors.js';
import { createMemoryFile, type MapFile, type Mapping, memoryFolder, type NamedFile } from './memory_file.js';

/** Bytes that a rank offers at a time: large enough that waiting costs little, small enough for the cache. */
const SLOT_BYTES = 8 * 1024 * 1024;

/** A rank's file, open, and mapped where that can be had. */
interface Place {
  readonly descriptor: number;
  readonly mapping: Mapping | undefined;
}

/**
 * A file in memory that one rank writes and the others read. It has no name once all have opened it, so
 * that nothing is left behind however the processes end.
 */
export class SharedMemory {
  readonly path: string;
  readonly #file: NamedFile;
  readonly #mapFile: MapFile | undefined;
  readonly #own: Place;
  readonly #others = new Map<number, Place>();

  /** @param label names the run, so that its launcher can clean up */
  constructor(label: string, bytes: number, mapFile: MapFile | undefined) {
    this.#file = createMemoryFile(label, bytes);
    this.#mapFile = mapFile;
    const { descriptor } = this.#file;
    this.#own = { descriptor, mapping: mapFile?.(descriptor, bytes, true) };
    this.path = this.#file.path;
  }

  /** Opens the other ranks' files. @param bytes of each that are used */
  open(offers: Map<number, { path: string }>, bytes: number): void {
    for (const [rank, { path }] of offers) {
      const descriptor = openSync(path, 'r');
      this.#others.set(rank, { descriptor, mapping: this.#mapFile?.(descriptor, bytes, false) });
    }
  }

  /** Takes the name away; open files live on. */
  unlink(): void {
    this.#file.unlink();
  }

  write(bytes: Uint8Array, at: number): void {
    const { descriptor, mapping } = this.#own;
    if (mapping) {
      mapping.bytes.set(bytes, at);
      return;
    }
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
    }
  }

  /** Reads from another rank's file. */
  read(rank: number, bytes: Uint8Array, at: number): void {
    const { descriptor, mapping } = this.#others.get(rank)!;
    if (mapping) {
      bytes.set(mapping.bytes.subarray(at, at + bytes.length));
      return;
    }
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(descriptor, bytes, done, bytes.length - done, at + done);
      if (count === 0) throw new DistributedError(`rank ${rank}'s shared memory ends at byte ${at + done}`);
      done += count;
    }
  }

  close(): void {
    this.unlink();
    for (const { descriptor, mapping } of [this.#own, ...this.#others.values()]) {
      mapping?.release();
      closeSync(descriptor);
    }
    this.#others.clear();
  }
}

/** Bytes of a rank's slot: less where shared memory is small, as in containers. */
export function slotBytes(worldSize: number): number {
  const { bavail, bsize } = statfsSync(memoryFolder());
  const fair = Math.floor((bavail * bsize) / (4 * worldSize));
  return Math.max(64 * 1024, Math.min(SLOT_BYTES, fair - (fair % 65536)));
}
