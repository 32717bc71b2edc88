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

interface ForeignInfo {
  readonly bytes: number;
  readonly torchStorage?: string;
  readonly safetensors?: string;
}

/** Element types that PyTorch has and nothing here reads: known by name and size, so that others are read. */
const FOREIGN = {
  complex32: { bytes: 4, torchStorage: 'ComplexHalfStorage' },
  complex64: { bytes: 8, torchStorage: 'ComplexFloatStorage', safetensors: 'C64' },
  complex128: { bytes: 16, torchStorage: 'ComplexDoubleStorage', safetensors: 'C128' },
  uint16: { bytes: 2, torchStorage: 'UInt16Storage', safetensors: 'U16' },
  uint32: { bytes: 4, torchStorage: 'UInt32Storage', safetensors: 'U32' },
  uint64: { bytes: 8, torchStorage: 'UInt64Storage', safetensors: 'U64' },
  float8_e4m3fn: { bytes: 1, torchStorage: 'Float8_e4m3fnStorage', safetensors: 'F8_E4M3' },
  float8_e5m2: { bytes: 1, torchStorage: 'Float8_e5m2Storage', safetensors: 'F8_E5M2' },
  float8_e4m3fnuz: { bytes: 1, torchStorage: 'Float8_e4m3fnuzStorage', safetensors: 'F8_E4M3FNUZ' },
  float8_e5m2fnuz: { bytes: 1, torchStorage: 'Float8_e5m2fnuzStorage', safetensors: 'F8_E5M2FNUZ' },
  float8_e8m0fnu: { bytes: 1, torchStorage: 'Float8_e8m0fnuStorage', safetensors: 'F8_E8M0' },
  float4_e2m1fn_x2: { bytes: 1, safetensors: 'F4' },
  qint8: { bytes: 1, torchStorage: 'QInt8Storage' },
  quint8: { bytes: 1, torchStorage: 'QUInt8Storage' },
  qint32: { bytes: 4, torchStorage: 'QInt32Storage' },
  quint4x2: { bytes: 1, torchStorage: 'QUInt4x2Storage' },
  quint2x4: { bytes: 1, torchStorage: 'QUInt2x4Storage' },
} satisfies Record<string, ForeignInfo>;

export type ForeignDType = keyof typeof FOREIGN;
export const FOREIGN_DTYPES: Readonly<Record<ForeignDType, ForeignInfo>> = FOREIGN;
/** Every element type that a file may name. */
export type ElementType = HostDType | ForeignDType;

export const FOREIGN_DTYPE_NAMES = Object.keys(FOREIGN_DTYPES) as ForeignDType[];

export const isForeign = (dtype: ElementType): dtype is ForeignDType => Object.hasOwn(FOREIGN_DTYPES, dtype);

/** Bytes of an element; of an untyped storage, one. */
export function elementBytes(dtype: ElementType | undefined): number {
  if (!dtype) return 1;
  return isForeign(dtype) ? FOREIGN_DTYPES[dtype].bytes : DTYPES[dtype].bytes;
}

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
