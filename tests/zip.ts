import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipMember {
  name: string;
  data?: Uint8Array | string;
  /** Unix mode, in the upper half of the external attributes. */
  mode?: number;
  /** What the archive says, where it lies. */
  size?: number;
  /** What the archive says its checksum is. */
  crc?: number;
}

/** A zip archive, its members deflated or stored; nothing is aligned. */
export function zipOf(members: readonly ZipMember[], method: 'deflate' | 'store' = 'deflate'): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name: fileName, data = '', mode = 0o100644, size, crc } of members) {
    const name = Buffer.from(fileName);
    const content = Buffer.from(data as Uint8Array);
    const packed = method === 'store' ? content : deflateRawSync(content);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(method === 'store' ? 0 : 8, 4);
    shared.writeUInt32LE(crc ?? crc32(content), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(size ?? content.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(at, 10);
    parts.push(Buffer.from('PK\x03\x04', 'latin1'), shared, name, packed);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), shared, tail, name);
    at += 30 + name.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, central, end]);
}

/** The same of stored members, by name: as PyTorch lays out a checkpoint. */
export function storedZip(members: Record<string, Uint8Array | string>): Buffer {
  const list = Object.entries(members).map(([name, data]) => ({ name, data }));
  return zipOf(list, 'store');
}
