import { spawnSync } from 'node:child_process';
import { openCheckpoint, type TensorRef } from '#src/checkpoint/index.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { storedZip } from '../zip.js';

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

/** Instructions of a pickle: a text. */
export const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
/** A whole pickle, protocol 2. */
export const pickled = (instructions: string) => Buffer.from(`\x80\x02${instructions}.`, 'latin1');
/** A file of torch.save's with that pickle; storages by their keys. */
export const archive = (instructions: string, storages: Record<string, Uint8Array> = {}) =>
  storedZip({
    'a/data.pkl': pickled(instructions),
    'a/version': '3\n',
    ...Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`a/data/${key}`, bytes])),
  });
/** A reference to a storage. @param type the instruction that pushes its class */
export const persistent = (type: string, key: string, count: string) =>
  `(${text('storage')}${type}${text(key)}${text('cpu')}${count}tQ`;
/** A tensor of two elements over a storage. */
export const pairOf = (type: string, key = '0') =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${persistent(type, key, 'K\x02')}K\0K\x02\x85K\x01\x85\x89}tR`;
/** Two float32 numbers, over storage 0. */
export const FLOATS = pairOf('ctorch\nFloatStorage\n');
/** A dict of text keys. */
export const dict = (members: Record<string, string>) =>
  `}(${Object.entries(members)
    .map(([key, value]) => text(key) + value)
    .join('')}u`;

const PYTHON = '/usr/bin/python3';

/** Whether Debian's python3-torch is here; the tests that ask PyTorch itself are skipped elsewhere. */
export const hasTorch = () => spawnSync(PYTHON, ['-c', 'import torch']).status === 0;

/** Runs a Python script and returns what it prints. */
export function python(script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', script, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
