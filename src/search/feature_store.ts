import { open, stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, writeAside } from '../common/files.js';
import { appendSynced, JsonLines } from '../common/json_lines.js';
import { log } from '../common/logging.js';

/** The stored record of a file. */
export interface Entry {
  /** Relative to the folder, as written by `pathText`. */
  path: string;
  size: number;
  mtime: number;
  /** Hash of its bytes. */
  hash: string;
  /** The row of its features; undefined for a file that cannot be read as an image. */
  row?: number;
  /** Why it cannot be read. */
  broken?: string;
}

/** A journal line after the first. */
type Line = Entry & { gone?: true };

/** The first line of the journal. */
interface Head {
  format: typeof FORMAT;
  /** The folder, for people who look into the cache. */
  folder: string;
  /** Length of a row. */
  width: number;
  /** Name of the file with the rows. */
  rows: string;
}

const FORMAT = 'lavis-search-1';
const JOURNAL = 'files.jsonl';

/**
 * Image features on disk: float32 rows in one flat file, and a journal that maps files to rows. Both are append-only,
 * and rows are written before the lines that name them, so that a killed process's work can be reused. The store is
 * compacted now and then to drop rows that no longer belong to a file.
 */
export class FeatureStore {
  readonly #entries = new Map<string, Entry>();
  readonly #rowOf = new Map<string, number>();
  readonly #journal: JsonLines;
  #rows = 0;
  #head!: Head;

  private constructor(private readonly folder: string) {
    this.#journal = new JsonLines(join(folder, JOURNAL));
  }

  /** @param about the indexed folder @param width the length of a row */
  static async open(
    folder: string,
    { about, width }: { about: string; width: number },
  ): Promise<FeatureStore> {
    makeFolder(folder);
    const store = new FeatureStore(folder);
    await store.#read({ format: FORMAT, folder: about, width, rows: 'rows-0.f32' });
    return store;
  }

  get width(): number {
    return this.#head.width;
  }

  entry(path: string): Entry | undefined {
    return this.#entries.get(path);
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** The row of a file with these bytes, whatever its path. */
  rowOf(hash: string): number | undefined {
    return this.#rowOf.get(hash);
  }

  /**
   * Appends entries and new rows.
   * @param features one row for each new hash among the entries without a `row`, in order; the rows are assigned here
   */
  async add(entries: readonly Entry[], features: Float32Array): Promise<void> {
    const count = features.length / this.width;
    if (count > 0) await appendSynced(this.#rowsFile, asBytes(features));
    let next = this.#rows;
    this.#rows += count;
    for (const entry of entries) {
      if (entry.broken === undefined) entry.row ??= this.rowOf(entry.hash) ?? next++;
      this.#keep(entry);
    }
    await this.#journal.append(entries);
  }

  /** Removes the records of deleted files. */
  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#entries.delete(path);
    await this.#journal.append(paths.map((path) => ({ path, gone: true })));
  }

  /** All rows, including those without a file, [rows * width]. */
  async features(): Promise<Float32Array> {
    if (this.#rows === 0) return new Float32Array(0);
    const values = new Float32Array(this.#rows * this.width);
    const bytes = asBytes(values);
    const handle = await open(this.#rowsFile, 'r');
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), at);
        if (bytesRead === 0) throw new RangeError(`${this.#rowsFile} ends early`);
        at += bytesRead;
      }
    } finally {
      await handle.close();
    }
    return values;
  }

  /** Rewrites the store once most of its rows belong to changed or deleted files. */
  async tidy(): Promise<void> {
    const live = new Set([...this.entries()].flatMap(({ row }) => row ?? []));
    const [idleRows, idleLines] = [this.#rows - live.size, this.#journal.count - 1 - this.#entries.size];
    if (idleRows <= live.size && idleLines <= 2 * this.#entries.size + 1000) return;
    const all = await this.features();
    const places = new Map([...live].map((row, place) => [row, place]));
    const old = this.#rowsFile;
    const generation = Number(/\d+/.exec(this.#head.rows)?.[0] ?? 0) + 1;
    this.#head = { ...this.#head, rows: `rows-${generation}.f32` };
    await writeAside(this.#rowsFile, async (handle) => {
      for (const row of live) {
        await handle.write(asBytes(all.subarray(row * this.width, (row + 1) * this.width)));
      }
    });
    const entries = [...this.entries()].map((entry) => ({
      ...entry,
      ...(entry.row === undefined ? {} : { row: places.get(entry.row) }),
    }));
    await this.#journal.rewrite([this.#head, ...entries]);
    await unlink(old).catch(() => {});
    await this.#read(this.#head);
  }

  get #rowsFile(): string {
    return join(this.folder, this.#head.rows);
  }

  #keep(entry: Entry): void {
    this.#entries.set(entry.path, entry);
    if (entry.row !== undefined) this.#rowOf.set(entry.hash, entry.row);
  }

  /** Reads the complete records; a partial one left by a killed process is truncated. */
  async #read(fresh: Head): Promise<void> {
    this.#entries.clear();
    this.#rowOf.clear();
    const [head, ...lines] = (await this.#journal.read()) as [Head?, ...(Line | undefined)[]];
    if (head?.format !== FORMAT || head.width !== fresh.width) {
      if (this.#journal.count > 0) log.warn(`${this.#journal.path} cannot be used and is rebuilt`);
      this.#head = fresh;
      this.#rows = 0;
      await writeAside(this.#rowsFile, async () => {});
      await this.#journal.rewrite([fresh]);
      return;
    }
    this.#head = head;
    const size = await sizeOf(this.#rowsFile);
    const rowBytes = 4 * head.width;
    this.#rows = Math.floor(size / rowBytes);
    for (const entry of lines) {
      if (!entry) continue;
      if (entry.gone) this.#entries.delete(entry.path);
      else if (entry.row === undefined || entry.row < this.#rows) this.#keep(entry);
    }
    if (size > this.#rows * rowBytes) await truncate(this.#rowsFile, this.#rows * rowBytes);
  }
}

/** Floats in memory order: little-endian on every platform Node supports. */
const asBytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

const sizeOf = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );
