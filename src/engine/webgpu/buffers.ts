/**
 * The GPU's memory, by buffers of exact size and usage that are used again. Takes the place of
 * TensorFlow.js's BufferManager, which never gives memory back: here what lies idle never takes the process
 * above the most it had in use.
 */
export class BufferManager {
  /** Idle buffers; the kind released longest ago comes first. */
  readonly #idle = new Map<string, GPUBuffer[]>();
  readonly #used = new Set<GPUBuffer>();
  #idleBytes = 0;
  #peak = 0;
  numBytesUsed = 0;

  constructor(private readonly device: GPUDevice) {}

  /** Bytes of all buffers, in use and idle. */
  get numBytesAllocated(): number {
    return this.numBytesUsed + this.#idleBytes;
  }

  /** The most bytes that were in use. */
  get peakBytes(): number {
    return this.#peak;
  }

  acquireBuffer(bytes: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const size = Math.max(SMALLEST, bytes);
    this.numBytesUsed += size;
    this.#peak = Math.max(this.#peak, this.numBytesUsed);
    const buffer =
      (reuse && this.#takeIdle(keyOf(size, usage))) || this.#create(size, usage, mappedAtCreation);
    this.#used.add(buffer);
    return buffer;
  }

  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    if (!this.#used.delete(buffer)) return;
    this.numBytesUsed -= buffer.size;
    if (!reuse) {
      buffer.destroy();
      return;
    }
    const key = keyOf(buffer.size, buffer.usage);
    const idle = this.#idle.get(key) ?? [];
    idle.push(buffer);
    this.#idle.delete(key);
    this.#idle.set(key, idle);
    this.#idleBytes += buffer.size;
  }

  getNumUsedBuffers(): number {
    return this.#used.size;
  }

  getNumFreeBuffers(): number {
    return [...this.#idle.values()].reduce((sum, { length }) => sum + length, 0);
  }

  dispose(): void {
    this.#shrinkTo(0);
    for (const buffer of this.#used) buffer.destroy();
    this.#used.clear();
    this.numBytesUsed = 0;
  }

  #takeIdle(key: string): GPUBuffer | undefined {
    const idle = this.#idle.get(key);
    const buffer = idle?.pop();
    if (idle?.length === 0) this.#idle.delete(key);
    if (buffer) this.#idleBytes -= buffer.size;
    return buffer;
  }

  #create(size: number, usage: number, mappedAtCreation: boolean): GPUBuffer {
    this.#shrinkTo(this.#peak - this.numBytesUsed);
    return this.device.createBuffer({ size, usage, mappedAtCreation });
  }

  #shrinkTo(limit: number): void {
    for (const [key, idle] of this.#idle) {
      while (this.#idleBytes > limit && idle.length > 0) {
        const buffer = idle.shift()!;
        this.#idleBytes -= buffer.size;
        buffer.destroy();
      }
      if (idle.length === 0) this.#idle.delete(key);
      if (this.#idleBytes <= limit) return;
    }
  }
}

/** Empty buffers cannot be bound. */
const SMALLEST = 4;

const keyOf = (size: number, usage: number) => `${size} ${usage}`;
