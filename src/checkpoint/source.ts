import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CheckpointError, messageOf } from '../common/errors.js';

/** One call of read(2) takes less than 2 GiB. */
const CHUNK = 2 ** 30;

/** A checkpoint file, read anywhere, never as a whole. */
export class Source {
  private constructor(
    readonly path: string,
    readonly size: number,
    readonly handle: FileHandle,
  ) {}

  /** @throws CheckpointError when there is no such file. */
  static async open(path: string): Promise<Source> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'r');
      const stat = await handle.stat();
      if (!stat.isFile())
        throw new TypeError(stat.isDirectory() ? 'it is a folder' : 'it is not a regular file');
      return new Source(path, stat.size, handle);
    } catch (thrown) {
      await handle?.close();
      const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
      throw new CheckpointError(missing ? 'there is no such checkpoint' : 'cannot open the checkpoint', {
        where: path,
        found: missing ? undefined : messageOf(thrown),
        help: missing ? 'check the path; relative paths start at the working directory' : undefined,
        cause: thrown,
      });
    }
  }

  /** Reads into fresh memory, aligned for any element type. @throws CheckpointError past the end. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw this.error('is cut short', `${this.size} bytes, where byte ${offset + length} is asked for`);
    }
    let buffer: Buffer;
    try {
      buffer = Buffer.from(new ArrayBuffer(length));
    } catch (thrown) {
      throw this.error('does not fit into memory', `${length} bytes in one piece`, thrown);
    }
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.handle
        .read(buffer, done, Math.min(CHUNK, length - done), offset + done)
        .catch((thrown) => {
          throw this.error('cannot be read', messageOf(thrown), thrown);
        });
      if (bytesRead === 0) throw this.error('was cut short while it was read');
      done += bytesRead;
    }
    return buffer;
  }

  /** Reads up to `length` bytes, at once: for pickles, whose reader is synchronous. */
  readSync(offset: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.size - offset)));
    try {
      return buffer.subarray(0, readSync(this.handle.fd, buffer, 0, buffer.length, offset));
    } catch (thrown) {
      throw this.error('cannot be read', messageOf(thrown), thrown);
    }
  }

  /** "the checkpoint …", with the path. */
  error(what: string, found?: string, cause?: unknown, help?: string): CheckpointError {
    return sourceError(this.path, what, found, cause, help);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** "the checkpoint …", with its path. */
export function sourceError(
  where: string,
  what: string,
  found?: string,
  cause?: unknown,
  help = what.includes('cut short') ? 'copy or download the file again' : undefined,
): CheckpointError {
  return new CheckpointError(`the checkpoint ${what}`, { where, found, help, cause });
}
