import { closeSync, openSync, statfsSync } from 'node:fs';
import { DistributedError } from '../../common/errors.js';
import { plainArrays } from '../arithmetic.js';
import { createMemoryFile, type MapFile, type Mapping, memoryFolder, type NamedFile } from './memory_file.js';

/** Where an array lies: told to the other ranks. */
export interface ArrayPlace {
  readonly path: string;
  /** Of the whole file. */
  readonly bytes: number;
  /** The array's first byte. */
  readonly at: number;
}

/** A file that this rank's arrays lie in. */
interface Arena {
  readonly file: NamedFile;
  readonly bytes: number;
}

/**
 * Arrays in memory that the other ranks can read, so that a sum needs no copies on its way. Without
 * mappings, or where memory is small, they are plain arrays, which are summed all the same.
 */
export class SharedArrays {
  readonly #label: string;
  readonly #worldSize: number;
  readonly #mapFile: MapFile | undefined;
  readonly #arenas = new Map<ArrayBufferLike, Arena>();
  /** The other ranks' files, by path. */
  readonly #others = new Map<string, Mapping>();

  constructor(label: string, worldSize: number, mapFile: MapFile | undefined) {
    this.#label = label;
    this.#worldSize = worldSize;
    this.#mapFile = mapFile;
  }

  allocate(lengths: readonly number[]): Float32Array<ArrayBuffer>[] {
    // Each begins on a cache line of its own.
    const starts: number[] = [];
    let bytes = 0;
    for (const length of lengths) {
      starts.push(bytes);
      bytes += Math.ceil(length / 16) * 64;
    }
    const mapping = bytes > 0 ? this.#arena(bytes) : undefined;
    if (!mapping) return plainArrays(lengths);
    return lengths.map((length, i) => new Float32Array(mapping.bytes.buffer, starts[i], length));
  }

  /** Nothing for an array of other origin. */
  placeOf(data: Float32Array): ArrayPlace | undefined {
    const arena = this.#arenas.get(data.buffer);
    return arena && { path: arena.file.path, bytes: arena.bytes, at: data.byteOffset };
  }

  /** Another rank's array. */
  read({ path, bytes, at }: ArrayPlace, length: number): Float32Array {
    let mapping = this.#others.get(path);
    if (!mapping && this.#mapFile) {
      const file = openSync(path, 'r');
      mapping = this.#mapFile(file, bytes, false);
      closeSync(file);
      this.#others.set(path, mapping);
    }
    if (!mapping) throw new DistributedError(`the memory of another rank cannot be mapped: ${path}`);
    return new Float32Array(mapping.bytes.buffer, at, length);
  }

  /** To be called when all ranks have read this array: its file needs no name any more. */
  unlink(data: Float32Array): void {
    this.#arenas.get(data.buffer)?.file.unlink();
  }

  /** Own arrays stay: tensors may hold parts of them. */
  close(): void {
    for (const { file } of this.#arenas.values()) file.unlink();
    for (const mapping of this.#others.values()) mapping.release();
    this.#others.clear();
  }

  #arena(bytes: number): Mapping | undefined {
    const { bavail, bsize } = statfsSync(memoryFolder());
    if (!this.#mapFile || bytes * this.#worldSize > (bavail * bsize) / 2) return undefined;
    let file: NamedFile | undefined;
    try {
      file = createMemoryFile(this.#label, bytes);
      const mapping = this.#mapFile(file.descriptor, bytes, true);
      this.#arenas.set(mapping.bytes.buffer, { file, bytes });
      return mapping;
    } catch (error) {
      file?.unlink();
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return undefined;
      throw error;
    } finally {
      file?.close();
    }
  }
}
