import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DataError, messageOf } from '../../../common/errors.js';

/** A file inside a tar archive: where its bytes lie. */
export interface TarEntry {
  name: string;
  offset: number;
  size: number;
}

const BLOCK = 512;
/** Of a name or a table of pax records, in bytes. */
const LONGEST = 1 << 20;

/**
 * The plain files of a tar archive, from its headers alone: contents are skipped, not read. Knows ustar,
 * GNU long names and pax paths and sizes.
 * @throws DataError when it is no tar, is compressed, or ends too early.
 */
export function tarEntries(path: string): TarEntry[] {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    throw new DataError('a shard cannot be opened', { where: path, found: messageOf(cause), cause });
  }
  try {
    return readHeaders(file, path);
  } finally {
    closeSync(file);
  }
}

function readHeaders(file: number, path: string): TarEntry[] {
  const { size: total } = fstatSync(file);
  const header = Buffer.alloc(BLOCK);
  const entries: TarEntry[] = [];
  let override: { path?: string; size?: number } = {};
  for (let at = 0; at + BLOCK <= total; ) {
    readSync(file, header, 0, BLOCK, at);
    if (header.every((byte) => byte === 0)) break;
    if (!checksumIsRight(header)) throw broken(path, at, 'not a tar header', at === 0);
    const type = String.fromCharCode(header[156] || 0x30);
    const size = override.size ?? octal(header, 124, 12);
    const offset = at + BLOCK;
    if (!Number.isSafeInteger(size) || size < 0) throw broken(path, at, 'a size that is no size', false);
    if (offset + size > total) throw broken(path, at, `${offset + size - total} bytes are missing`, false);
    if (type === 'L' || type === 'x') {
      if (size > LONGEST) throw broken(path, at, `a name of ${size} bytes`, false);
      const extra = Buffer.alloc(size);
      readSync(file, extra, 0, size, offset);
      override = type === 'L' ? { path: text(extra, 0, size) } : paxOf(extra);
    } else {
      const prefix = text(header, 257, 5) === 'ustar' ? text(header, 345, 155) : '';
      const name = override.path ?? [prefix, text(header, 0, 100)].filter(Boolean).join('/');
      if (type === '0') entries.push({ name, offset, size });
      override = {};
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}

function text(buffer: Buffer, start: number, length: number): string {
  const end = buffer.indexOf(0, start);
  return buffer.toString('utf8', start, end < 0 || end > start + length ? start + length : end);
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

/** Records of pax: "<length> <key>=<value>\n". */
function paxOf(data: Buffer): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
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

function broken(path: string, at: number, found: string, first: boolean): DataError {
  return new DataError('a shard is broken', {
    where: `${path}, byte ${at}`,
    found,
    help: first ? 'shards are uncompressed tar archives; unpack .tar.gz with gunzip' : 'fetch it again',
  });
}
