import { open, readFile, truncate } from 'node:fs/promises';
import { writeAside } from './files.js';

/**
 * A file of one JSON object a line that only grows, a journal: what a killed process left of its last line is cut
 * off when it is read. One process at a time writes it.
 */
export class JsonLines {
  /** Lines that it has. */
  count = 0;

  constructor(readonly path: string) {}

  /** Its objects, undefined for a line that is not JSON, after a power cut; none where there is no file. */
  async read(): Promise<unknown[]> {
    const bytes = await readFile(this.path).catch(() => Buffer.alloc(0));
    const end = bytes.lastIndexOf(0x0a) + 1;
    if (end < bytes.length) await truncate(this.path, end);
    const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
    this.count = lines.length;
    return lines.map(parsed);
  }

  /** Written and on the disk when this returns. */
  async append(objects: readonly object[]): Promise<void> {
    if (objects.length === 0) return;
    this.count += objects.length;
    await appendSynced(this.path, linesOf(objects));
  }

  /** Written anew, as a whole or not at all. */
  async rewrite(objects: readonly object[]): Promise<void> {
    await writeAside(this.path, (handle) => handle.writeFile(linesOf(objects)));
    this.count = objects.length;
  }
}

/** Adds to the end of a file; the data is on the disk when this returns. */
export async function appendSynced(path: string, data: string | Uint8Array): Promise<void> {
  const handle = await open(path, 'a');
  try {
    await handle.appendFile(data);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

const linesOf = (objects: readonly object[]) => objects.map((one) => `${JSON.stringify(one)}\n`).join('');

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
