import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { DataError, messageOf } from '../../../common/errors.js';

/** A member of a tar archive: where its bytes lie. */
export interface TarEntry {
  name: string;
  offset: number;
  size: number;
  /** Folders are not listed; devices and the like are 'other'. */
  kind: 'file' | 'link' | 'other';
  /** Its bytes; to be called before the next entry is asked for. */
  content(): Promise<Buffer>;
}

const BLOCK = 512;
/** Read at once: a header, a short text behind it, and the next header. */
const WINDOW = 8192;
/** Of a name or a table of pax records, in bytes. */
const LONGEST = 1 << 20;

/**
 * The members of a tar archive, from its headers alone: the contents of large ones are skipped, not read
 * (tar-stream would read every byte). Knows ustar, GNU long names, pax paths and sizes, and archives that
 * were written one behind the other.
 * @throws DataError when it is not a tar, is compressed, or ends too early: with the member and the byte
 */
export async function* tarEntries(path: string): AsyncGenerator<TarEntry> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new DataError('a shard cannot be opened', { where: path, found: messageOf(cause), cause });
  });
  try {
    yield* members(new WindowedFile(file, (await file.stat()).size), path);
  } finally {
    await file.close();
  }
}

async function* members(file: WindowedFile, path: string): AsyncGenerator<TarEntry> {
  const total = file.size;
  if (total === 0) throw broken(path, 0, 'an empty file');
  let override: Override = {};
  let last = '';
  let ended = false;
  let at = 0;
  for (; at + BLOCK <= total; ) {
    const header = await file.read(at, BLOCK);
    if (header.every((byte) => byte === 0)) {
      ended = true;
      at += BLOCK;
      continue;
    }
    if (!checksumIsRight(header)) {
      throw at === 0
        ? notTar(path, header)
        : broken(path, at, `not a tar header${last && `, behind '${last}'`}`);
    }
    ended = false;
    const type = String.fromCharCode(header[156] || 0x30);
    const size = override.size ?? octal(header, 124, 12);
    const offset = at + BLOCK;
    const name = override.path ?? nameOf(header);
    if (!Number.isSafeInteger(size) || size < 0) throw broken(path, at, `'${name}' with an invalid size`);
    if (offset + size > total) {
      throw broken(path, at, `'${name}' has ${size} bytes, of which ${total - offset} are there`);
    }
    const content = () => file.read(offset, size);
    if (type === 'L' || type === 'x') {
      if (size > LONGEST) throw broken(path, at, `a name of ${size} bytes`);
      const extra = await content();
      override = type === 'L' ? { ...override, path: text(extra, 0, size) } : paxOf(extra);
    } else {
      const isFolder = type === '5' || (type === '0' && name.endsWith('/'));
      if (!isFolder && type !== 'g' && type !== 'K')
        yield { name, offset, size, kind: kindOf(type), content };
      if (type !== 'K') override = {};
      last = name;
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  if (!ended) {
    const found = `the file ends behind '${last}', without the blocks of zeros that end an archive`;
    throw broken(path, Math.min(at, total), last ? found : 'no tar header, and no end');
  }
}

/** A file that is read in windows: what is near the last place comes without another call. */
class WindowedFile {
  #bytes = Buffer.alloc(0);
  #start = 0;

  constructor(
    readonly file: FileHandle,
    readonly size: number,
  ) {}

  /** Valid until the next call. */
  async read(at: number, length: number): Promise<Buffer> {
    if (at < this.#start || at + length > this.#start + this.#bytes.length) {
      const bytes = Buffer.alloc(Math.max(length, Math.min(WINDOW, this.size - at)));
      let done = 0;
      while (done < bytes.length) {
        const { bytesRead } = await this.file.read(bytes, done, bytes.length - done, at + done);
        if (bytesRead === 0) throw new DataError('a shard is shorter than it was');
        done += bytesRead;
      }
      [this.#bytes, this.#start] = [bytes, at];
    }
    return this.#bytes.subarray(at - this.#start, at - this.#start + length);
  }
}

function kindOf(type: string): TarEntry['kind'] {
  if (type === '0' || type === '7') return 'file';
  return type === '1' || type === '2' ? 'link' : 'other';
}

function nameOf(header: Buffer): string {
  const prefix = text(header, 257, 6) === 'ustar' ? text(header, 345, 155) : '';
  return [prefix, text(header, 0, 100)].filter(Boolean).join('/');
}

/** In UTF-8, or else Latin-1, which gives every name another text. */
function text(buffer: Buffer, start: number, length: number): string {
  const end = buffer.indexOf(0, start);
  const bytes = buffer.subarray(start, end < 0 || end > start + length ? start + length : end);
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

/** Octal digits, or base 256 where the first bit says so. */
function octal(header: Buffer, start: number, length: number): number {
  if (!(header[start] & 0x80)) return Number.parseInt(text(header, start, length).trim() || '0', 8);
  return header.subarray(start + 1, start + length).reduce((value, byte) => value * 256 + byte, 0);
}

/** The header's bytes add up to its checksum, whose own eight count as spaces. */
function checksumIsRight(header: Buffer): boolean {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return sum === octal(header, 148, 8);
}

interface Override {
  path?: string;
  size?: number;
}

/** Records of pax: "<length> <key>=<value>\n". */
function paxOf(data: Buffer): Override {
  const found: Override = {};
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number.parseInt(data.toString('latin1', at, space), 10);
    if (space < 0 || !(length > 0)) break;
    const [key, ...value] = data.toString('utf8', space + 1, at + length - 1).split('=');
    if (key === 'path') found.path = value.join('=');
    if (key === 'size') found.size = Number(value.join('='));
    at += length;
  }
  return found;
}

function notTar(path: string, start: Buffer): DataError {
  const compressed = [
    ['gzip', 'gunzip', [0x1f, 0x8b]],
    ['Zstandard', 'unzstd', [0x28, 0xb5, 0x2f, 0xfd]],
    ['bzip2', 'bunzip2', [0x42, 0x5a, 0x68]],
    ['xz', 'unxz', [0xfd, 0x37, 0x7a]],
    ['zip', 'unzip, then tar --sort=name -cf', [0x50, 0x4b, 0x03, 0x04]],
  ] as const;
  const known = compressed.find(([, , magic]) => magic.every((byte, i) => start[i] === byte));
  return new DataError('a shard is broken', {
    where: `${path}, byte 0`,
    found: known ? `not a tar header: it is compressed (${known[0]})` : 'not a tar header',
    allowed: 'an uncompressed tar archive',
    help: known ? `unpack it: ${known[1]}` : 'check what the file is, or fetch it again',
  });
}

function broken(path: string, at: number, found: string): DataError {
  return new DataError('a shard is broken', {
    where: `${path}, byte ${at}`,
    found,
    help: 'it was cut short or damaged: fetch it or write it again',
  });
}
