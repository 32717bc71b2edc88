import type { HostArray, HostDType } from '../common/host_tensor.js';

interface DTypeInfo {
  readonly bytes: number;
  /** The class of storages in a PyTorch pickle. */
  readonly torchStorage: string;
  readonly safetensors: string;
  readonly array: new (buffer: ArrayBuffer, byteOffset: number, length: number) => HostArray;
}

export const DTYPES: Record<HostDType, DTypeInfo> = {
  float64: { bytes: 8, torchStorage: 'DoubleStorage', safetensors: 'F64', array: Float64Array },
  float32: { bytes: 4, torchStorage: 'FloatStorage', safetensors: 'F32', array: Float32Array },
  float16: { bytes: 2, torchStorage: 'HalfStorage', safetensors: 'F16', array: Uint16Array },
  bfloat16: { bytes: 2, torchStorage: 'BFloat16Storage', safetensors: 'BF16', array: Uint16Array },
  int64: { bytes: 8, torchStorage: 'LongStorage', safetensors: 'I64', array: BigInt64Array },
  int32: { bytes: 4, torchStorage: 'IntStorage', safetensors: 'I32', array: Int32Array },
  int16: { bytes: 2, torchStorage: 'ShortStorage', safetensors: 'I16', array: Int16Array },
  int8: { bytes: 1, torchStorage: 'CharStorage', safetensors: 'I8', array: Int8Array },
  uint8: { bytes: 1, torchStorage: 'ByteStorage', safetensors: 'U8', array: Uint8Array },
  bool: { bytes: 1, torchStorage: 'BoolStorage', safetensors: 'BOOL', array: Uint8Array },
};

export const DTYPE_NAMES = Object.keys(DTYPES) as HostDType[];

/** Elements over bytes that start where the elements may start (fresh buffers do). */
export function viewAs(dtype: HostDType, bytes: Uint8Array): HostArray {
  const { array, bytes: size } = DTYPES[dtype];
  return new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, Math.floor(bytes.byteLength / size));
}

/** The raw bytes of elements, without a copy. */
export function bytesOf(data: HostArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Turns big-endian elements into little-endian ones and back, in place. */
export function swapBytes(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else if (size === 8) buffer.swap64();
}
