/** Element types that checkpoints know; TF.js itself holds float32, int32 and bool. */
export type HostDType =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool';

export type HostArray =
  | Float64Array
  | Float32Array
  | Uint16Array // float16 and bfloat16, as raw bits
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array; // uint8 and bool

/** A dense tensor in host memory, row-major, outside any TF.js backend. */
export interface HostTensor {
  readonly dtype: HostDType;
  readonly shape: readonly number[];
  readonly data: HostArray;
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
