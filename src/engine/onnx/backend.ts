import { MathBackendCPU, tf } from '../tf.js';
import { isLarge } from './memory.js';
import { BufferPool } from './pool.js';
import { type OrtData, type OrtValue, ort, Sessions } from './sessions.js';

/** What the backend knows of one tensor's data. */
interface Entry {
  values: OrtData;
  dtype: tf.DataType;
  refCount: number;
  /** The values lie in the pool's memory, which nobody outside sees: they may be changed and reused. */
  owned?: boolean;
  complexTensorInfos?: unknown;
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
export type NumericType = keyof typeof ARRAYS;

/**
 * TensorFlow.js's cpu backend with ONNX Runtime under its hot kernels. Tensors are plain typed arrays, so
 * each kernel may be either one's.
 */
export class OnnxBackend extends MathBackendCPU {
  sessions: Sessions;
  readonly pool = new BufferPool();
  #keepsArrays = false;

  constructor(threads: number) {
    super();
    this.sessions = new Sessions(threads);
    Object.assign(this, { firstUse: false }); // no advice to install another backend
  }

  /** Changes the number of threads; tensors stay. */
  useThreads(threads: number): void {
    if (threads === this.sessions.threads) return;
    this.sessions.dispose();
    this.sessions = new Sessions(threads);
  }

  entry(dataId: tf.DataId): Entry {
    return this.data.get(dataId) as unknown as Entry;
  }

  /** The values of a tensor, for kernels. */
  values(info: tf.TensorInfo): OrtData {
    const { values } = this.entry(info.dataId);
    const TypedArray = ARRAYS[info.dtype as NumericType];
    return values instanceof TypedArray ? values : new TypedArray(values as never);
  }

  /** A tensor as an input or output of a graph, as `dims` if another view of it is wanted. */
  ort(info: tf.TensorInfo, dims: readonly number[] = info.shape): OrtValue {
    return ort(this.values(info), dims);
  }

  /** An uninitialized tensor in the pool's memory. */
  allocate(shape: readonly number[], dtype: NumericType = 'float32'): tf.TensorInfo {
    return this.#owned(this.allocateValues(shape, dtype), shape, dtype);
  }

  /** A float32 tensor of zeros in the pool's memory. */
  allocateZeros(shape: readonly number[]): tf.TensorInfo {
    const memory = this.pool.takeZeros(4 * tf.util.sizeFromShape([...shape]));
    return this.#owned(new Float32Array(memory), shape, 'float32');
  }

  #owned(values: OrtData, shape: readonly number[], dtype: NumericType): tf.TensorInfo {
    const dataId = super.write(values as never, [...shape], dtype) as tf.DataId;
    this.entry(dataId).owned = true;
    return { dataId, shape: [...shape], dtype };
  }

  allocateValues(shape: readonly number[], dtype: NumericType = 'float32'): OrtData {
    const TypedArray = ARRAYS[dtype];
    const size = shape.reduce((product, n) => product * n, 1);
    return new TypedArray(this.pool.take(size * TypedArray.BYTES_PER_ELEMENT));
  }

  /** Another view of the same data. */
  view(info: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape: [...shape], dtype: info.dtype };
  }

  /** True where no other tensor and nobody outside sees a tensor's values: they may be overwritten. */
  isExclusive(info: tf.TensorInfo): boolean {
    const { owned, refCount } = this.entry(info.dataId);
    return owned === true && refCount === 1;
  }

  /**
   * The values of a variable, to be changed in place. Copied first when a clone or the array's maker shares
   * them.
   */
  exclusiveValues(variable: tf.Variable): Float32Array {
    const entry = this.entry(variable.dataId);
    if (entry.refCount > 1) {
      const copy = this.allocate(variable.shape);
      (this.values(copy) as Float32Array).set(entry.values as Float32Array);
      const tensor = tf.engine().makeTensorFromTensorInfo(copy, this);
      variable.assign(tensor);
      tensor.dispose();
    } else if (!entry.owned) {
      const copy = this.allocateValues(variable.shape) as Float32Array;
      copy.set(entry.values as Float32Array);
      entry.values = copy;
      entry.owned = true;
    }
    return this.entry(variable.dataId).values as Float32Array;
  }

  /** Runs a kernel of the cpu backend: it may go on writing to an array that it has made a tensor of. */
  keepingArrays<T>(run: () => T): T {
    const before = this.#keepsArrays;
    this.#keepsArrays = true;
    try {
      return run();
    } finally {
      this.#keepsArrays = before;
    }
  }

  /** Large arrays are copied to memory of our own; smaller ones stay their maker's, and are not changed. */
  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    if (this.#keepsArrays || !(values instanceof Float32Array) || !isLarge(values.byteLength)) {
      return super.write(values, shape, dtype) as tf.DataId;
    }
    const copy = new Float32Array(this.pool.take(values.byteLength));
    copy.set(values);
    const dataId = super.write(copy, shape, dtype) as tf.DataId;
    this.entry(dataId).owned = true;
    return dataId;
  }

  /** A copy, where the memory may be used again: a caller may keep it. */
  override readSync(dataId: tf.DataId) {
    const values = super.readSync(dataId);
    return this.entry(dataId).owned ? (values as Float32Array).slice() : values;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    const entry = this.data.has(dataId) ? this.entry(dataId) : undefined;
    const gone = super.disposeData(dataId, force);
    if (gone && entry?.owned) {
      entry.owned = false;
      this.pool.give(entry.values.buffer as ArrayBuffer);
    }
    return gone;
  }

  override dispose(): void {
    this.sessions.dispose();
    this.pool.clear();
  }
}
