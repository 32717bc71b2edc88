import { read } from 'node:fs';
import { Readable } from 'node:stream';
import yauzl, { type ZipFile } from 'yauzl';

/**
 * Opens a zip archive for reading its members by random access; `fd` stays the caller's to close.
 * @throws Error when the directory of the archive is damaged.
 */
export function openZip(fd: number, size: number): Promise<ZipFile> {
  return yauzl.fromRandomAccessReaderPromise(new FileReader(fd, size), size, {
    lazyEntries: true,
    autoClose: false,
  });
}

/** Reads inside the file only: places in a damaged archive may be beyond what the system takes. */
class FileReader extends yauzl.RandomAccessReader {
  constructor(
    private readonly fd: number,
    private readonly size: number,
  ) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (!Number.isSafeInteger(position) || position < 0 || position + length > this.size) {
      setImmediate(callback, new RangeError(`it points to byte ${position + length} of ${this.size}`));
      return;
    }
    read(this.fd, buffer, offset, length, position, (error, bytesRead) => {
      callback(error ?? (bytesRead < length ? new RangeError('unexpected end') : null), bytesRead);
    });
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#chunks(start, end), { objectMode: false });
  }

  async *#chunks(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end; ) {
      const chunk = Buffer.allocUnsafe(Math.min(2 ** 18, end - at));
      await new Promise<void>((resolve, reject) => {
        this.read(chunk, 0, chunk.length, at, (error) => (error ? reject(error) : resolve()));
      });
      yield chunk;
      at += chunk.length;
    }
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}
