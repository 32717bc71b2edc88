import { spawnSync } from 'node:child_process';
import { crc32 } from 'node:zlib';
import { openCheckpoint, type TensorRef } from '#src/checkpoint/index.js';
import type { HostTensor } from '#src/common/host_tensor.js';

/** All weights of a checkpoint, in memory. */
export async function readAll(path: string): Promise<Map<string, HostTensor>> {
  const checkpoint = await openCheckpoint(path);
  try {
    const read = new Map<string, HostTensor>();
    for (const [name, tensor] of checkpoint.stateDict()) read.set(name, await tensor.read());
    return read;
  } finally {
    await checkpoint.close();
  }
}

/** Everything in a tree that can be read, read: for files that must not bring a reader down. */
export async function readEverything(value: unknown): Promise<void> {
  if (typeof value !== 'object' || value === null) return;
  if (typeof (value as TensorRef).read === 'function') await (value as TensorRef).read();
  else if (value instanceof Map || value instanceof Set)
    for (const item of value.values()) await readEverything(item);
  else if (!ArrayBuffer.isView(value)) for (const item of Object.values(value)) await readEverything(item);
}

const PYTHON = '/usr/bin/python3';

/** Whether Debian's python3-torch is here; the tests that ask PyTorch itself are skipped elsewhere. */
export const hasTorch = () => spawnSync(PYTHON, ['-c', 'import torch']).status === 0;

/** Runs a Python script and returns what it prints. */
export function python(script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', script, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** A zip archive of stored members, as PyTorch lays them out; nothing is aligned. */
export function zipOf(members: Record<string, Uint8Array | string>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [fileName, content] of Object.entries(members)) {
    const name = Buffer.from(fileName);
    const data = Buffer.from(content as Uint8Array);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(data.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    parts.push(Buffer.from('PK\x03\x04', 'latin1'), shared, name, data);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), shared, tail, name);
    at += 30 + name.length + data.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(members).length, 8);
  end.writeUInt16LE(Object.keys(members).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, central, end]);
}
