import { tf } from './tf.js';

/** Bytes of a graphics card that the engine holds, idle ones included; undefined where it has none or does not tell. */
export function deviceMemory(): number | undefined {
  return (tf.memory() as { numBytesAllocatedInGPU?: number }).numBytesAllocatedInGPU;
}
