import { allocateMemory, discardMemory } from './memory.js';

/** Below this many bytes a new array costs less than keeping an old one. */
const SMALLEST = 1024;

/**
 * How much more than the most in use may be kept: a training step first fills the memory with activations,
 * then with gradients, and would else give back and fetch again the one for the other.
 */
const SLACK = 1.25;

/**
 * Memory that is used again, by exact size: fresh large arrays cost zeroing and page faults. What it keeps
 * idle never takes the process above a quarter more than the most it had in use.
 */
export class BufferPool {
  /** Idle buffers by size; the size released longest ago comes first. */
  readonly #idle = new Map<number, ArrayBuffer[]>();
  #inUse = 0;
  #peak = 0;
  #kept = 0;

  /** Bytes in use, idle, and the most that were in use. */
  get statistics() {
    return { inUse: this.#inUse, idle: this.#kept, peak: this.#peak };
  }

  /** A buffer of exactly `bytes`; its contents are undefined. */
  take(bytes: number): ArrayBuffer {
    if (bytes < SMALLEST) return new ArrayBuffer(bytes);
    this.#inUse += bytes;
    this.#peak = Math.max(this.#peak, this.#inUse);
    const idle = this.#idle.get(bytes);
    const buffer = idle?.pop();
    if (buffer) {
      this.#kept -= bytes;
      if (idle!.length === 0) this.#idle.delete(bytes);
      return buffer;
    }
    this.#shrinkTo(SLACK * this.#peak - this.#inUse);
    return allocateMemory(bytes);
  }

  /** A buffer of zeros. What comes from the system is zero already, and costs nothing until it is written to. */
  takeZeros(bytes: number): ArrayBuffer {
    const used = this.#idle.has(bytes);
    const buffer = this.take(bytes);
    if (used) new Uint8Array(buffer).fill(0);
    return buffer;
  }

  /** Takes a buffer back; nobody may use it afterwards. */
  give(buffer: ArrayBuffer): void {
    const bytes = buffer.byteLength;
    if (bytes < SMALLEST) return;
    this.#inUse -= bytes;
    const idle = this.#idle.get(bytes) ?? [];
    idle.push(buffer);
    this.#idle.delete(bytes);
    this.#idle.set(bytes, idle);
    this.#kept += bytes;
  }

  clear(): void {
    this.#shrinkTo(0);
  }

  #shrinkTo(limit: number): void {
    for (const [bytes, idle] of this.#idle) {
      while (this.#kept > limit && idle.length > 0) {
        discardMemory(idle.pop()!);
        this.#kept -= bytes;
      }
      if (idle.length === 0) this.#idle.delete(bytes);
      if (this.#kept <= limit) return;
    }
  }
}
