import type { CheckpointError } from '../common/errors.js';
import { type HostArray, type HostDType, sizeOf } from '../common/host_tensor.js';
import { DTYPES, type ElementType, swapBytes, viewAs } from './dtypes.js';
import { LIMITS } from './limits.js';
import type { TensorRef } from './values.js';

/** PyTorch's storage: a row of bytes in the file that tensors look into. */
export interface TorchStorage {
  readonly key: string;
  /** undefined for an untyped storage: bytes. */
  readonly dtype: ElementType | undefined;
  /** In bytes. */
  readonly length: number;
  readonly bigEndian: boolean;
  read(offset: number, length: number): Promise<Uint8Array>;
  error(what: string, found?: string): CheckpointError;
}

/**
 * A tensor over a storage, in elements of `dtype`. Views of any strides are read row-major.
 * @throws CheckpointError when the view leaves its storage or repeats it beyond reason.
 */
export function viewOf(
  storage: TorchStorage,
  dtype: HostDType,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): TensorRef {
  const size = DTYPES[dtype].bytes;
  const count = sizeOf(shape);
  const natural = (n: number) => Number.isSafeInteger(n) && n >= 0;
  const describe = () => `shape [${shape}], strides [${strides}], offset ${offset}, ${storage.length} bytes`;
  if (
    shape.length > LIMITS.dimensions ||
    shape.length !== strides.length ||
    ![offset, count, ...shape, ...strides].every(natural)
  ) {
    throw storage.error('holds a tensor of impossible shape', describe());
  }
  const last = count === 0 ? -1 : shape.reduce((sum, n, i) => sum + (n - 1) * strides[i], 0);
  const available = storage.length / size - offset;
  if (!Number.isSafeInteger(last) || (count > 0 && last + 1 > available)) {
    throw storage.error('holds a tensor that leaves its storage', describe());
  }
  if (count > Math.max(last + 1, LIMITS.repeatedElements)) {
    throw storage.error('holds a tensor that repeats its storage beyond reason', describe());
  }
  return {
    dtype,
    shape: Object.freeze([...shape]),
    identity: `${storage.key}/${dtype}/${offset}/${shape}/${strides}`,
    async read() {
      const bytes = await storage.read(offset * size, (last + 1) * size);
      if (storage.bigEndian) swapBytes(bytes, size);
      const data = viewAs(dtype, bytes);
      return {
        dtype,
        shape,
        data: isContiguous(shape, strides) ? data : gather(data, shape, strides, dtype),
      };
    },
  };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return sizeOf(shape) === 0;
    expected *= shape[i];
  }
  return true;
}

/** Copies a strided view into row-major order. */
function gather(
  from: HostArray,
  shape: readonly number[],
  strides: readonly number[],
  dtype: HostDType,
): HostArray {
  const to = viewAs(dtype, new Uint8Array(sizeOf(shape) * DTYPES[dtype].bytes));
  const inner = shape[shape.length - 1];
  const innerStride = strides[strides.length - 1];
  const index = shape.map(() => 0);
  let start = 0;
  for (let at = 0; at < to.length; at += inner) {
    for (let i = 0; i < inner; i++) to[at + i] = from[start + i * innerStride];
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      start += strides[axis];
      if (++index[axis] < shape[axis]) break;
      start -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return to;
}
