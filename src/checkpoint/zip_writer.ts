import { crc32 } from 'node:zlib';

/** Takes bytes in order: a file being written. */
export type Sink = (bytes: Uint8Array) => Promise<void>;

interface Written {
  readonly name: Buffer;
  readonly size: number;
  readonly crc: number;
  readonly offset: number;
}

/** Where the bytes of a member start: at a multiple of this, as PyTorch lays them. */
const ALIGNMENT = 64;
const U16 = 0xffff;
const U32 = 0xffffffff;
/** 1 January 1980, the first day that zip knows: files of equal content are equal. */
const DATE = 0x0021;
const UTF8 = 0x0800;

/**
 * Writes a zip archive of stored members in order, zip64 where sizes, places or counts need it.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.
 */
export class ZipWriter {
  readonly #members: Written[] = [];
  #at = 0;

  constructor(private readonly sink: Sink) {}

  /** Adds a member; its bytes are not kept. */
  async add(fileName: string, data: Uint8Array): Promise<void> {
    const name = Buffer.from(fileName, 'utf8');
    const member = { name, size: data.byteLength, crc: crc32(data), offset: this.#at };
    await this.#write(localHeader(member));
    await this.#write(data);
    this.#members.push(member);
  }

  /** Writes the directory; nothing can be added afterwards. */
  async finish(): Promise<void> {
    const start = this.#at;
    for (const member of this.#members) await this.#write(centralHeader(member));
    const size = this.#at - start;
    const count = this.#members.length;
    if (start >= U32 || size >= U32 || count >= U16)
      await this.#write(zip64End(start, size, count, this.#at));
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(Math.min(count, U16), 8);
    end.writeUInt16LE(Math.min(count, U16), 10);
    end.writeUInt32LE(Math.min(size, U32), 12);
    end.writeUInt32LE(Math.min(start, U32), 16);
    await this.#write(end);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.sink(bytes);
    this.#at += bytes.byteLength;
  }
}

function localHeader({ name, size, crc, offset }: Written): Buffer {
  const large = size >= U32;
  const zip64 = large ? zip64Extra([size, size]) : Buffer.alloc(0);
  const before = offset + 30 + name.length + zip64.length + 4;
  const padding = (ALIGNMENT - (before % ALIGNMENT)) % ALIGNMENT;
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(large ? 45 : 20, 4);
  header.writeUInt16LE(UTF8, 6);
  header.writeUInt16LE(DATE, 12);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(Math.min(size, U32), 18);
  header.writeUInt32LE(Math.min(size, U32), 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(zip64.length + 4 + padding, 28);
  // PyTorch pads with a field of id 'FB', filled with 'Z'.
  const pad = Buffer.alloc(4 + padding, 'Z');
  pad.write('FB', 0, 'latin1');
  pad.writeUInt16LE(padding, 2);
  return Buffer.concat([header, name, zip64, pad]);
}

function centralHeader({ name, size, crc, offset }: Written): Buffer {
  const large: number[] = [];
  if (size >= U32) large.push(size, size);
  if (offset >= U32) large.push(offset);
  const zip64 = large.length > 0 ? zip64Extra(large) : Buffer.alloc(0);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(large.length > 0 ? 45 : 20, 4);
  header.writeUInt16LE(large.length > 0 ? 45 : 20, 6);
  header.writeUInt16LE(UTF8, 8);
  header.writeUInt16LE(DATE, 14);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(size, U32), 20);
  header.writeUInt32LE(Math.min(size, U32), 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(zip64.length, 30);
  header.writeUInt32LE(Math.min(offset, U32), 42);
  return Buffer.concat([header, name, zip64]);
}

function zip64Extra(values: number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  values.forEach((value, i) => {
    extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  });
  return extra;
}

/** The zip64 end record and the locator that points to it. */
function zip64End(start: number, size: number, count: number, at: number): Buffer {
  const end = Buffer.alloc(76);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(45, 12);
  end.writeUInt16LE(45, 14);
  end.writeBigUInt64LE(BigInt(count), 24);
  end.writeBigUInt64LE(BigInt(count), 32);
  end.writeBigUInt64LE(BigInt(size), 40);
  end.writeBigUInt64LE(BigInt(start), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(at), 64);
  end.writeUInt32LE(1, 72);
  return end;
}
