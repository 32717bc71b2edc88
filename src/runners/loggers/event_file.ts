import { appendFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import type { Scalar } from '../metrics_log.js';

/**
 * A record of a TFRecord file: length (uint64), its checksum, the bytes, theirs; all little-endian.
 * Source: tensorflow/core/lib/io/record_writer.h.
 */
export function frame(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(12 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length));
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

/** Masked, as a checksum of bytes that hold checksums is weak. Source: tensorflow/core/lib/hash/crc32c.h. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli): zlib's crc32 has another polynomial. Source: RFC 3720, appendix B.4. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The messages of an event file, as far as scalars need them. Source: tensorflow/core/util/event.proto. */

const SCHEMA = `
syntax = "proto3";
message Value { string tag = 1; float simple_value = 2; }
message Summary { repeated Value value = 1; }
message Event { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; Summary summary = 5; } }
`;

const Event = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('Event');

/** What every event file begins with. */
export const encodeVersion = (time: number): Uint8Array =>
  Event.encode({ wall_time: time, file_version: 'brain.Event:2' }).finish();

export const encodeScalar = ({ tag, value, step, time }: Scalar): Uint8Array =>
  Event.encode({ wall_time: time, step, summary: { value: [{ tag, simple_value: value }] } }).finish();

/** Ours, not those of another program in the same folder. */
const NAME = /^events\.out\.tfevents\.\d+\.lavis$/;

/** TensorBoard's event file: `tensorboard --logdir <output_dir>` shows each run by its folder's name. */
export class EventFile {
  private constructor(private readonly path: string) {}

  /** Begins a new file in place of an older one of the same run. */
  static async create(folder: string): Promise<EventFile> {
    const older = (await readdir(folder)).filter((name) => NAME.test(name));
    await Promise.all(older.map((name) => rm(join(folder, name), { force: true })));
    const seconds = Date.now() / 1000;
    const path = join(folder, `events.out.tfevents.${Math.floor(seconds)}.lavis`);
    await appendFile(path, frame(encodeVersion(seconds)));
    return new EventFile(path);
  }

  /** Each value as an event of its own. */
  async append(scalars: readonly Scalar[]): Promise<void> {
    if (scalars.length === 0) return;
    await appendFile(this.path, Buffer.concat(scalars.map((scalar) => frame(encodeScalar(scalar)))));
  }
}
