import { spawnSync } from 'node:child_process';
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
