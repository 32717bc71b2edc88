import type { HostArray, HostDType, HostTensor } from '../common/host_tensor.js';

/** A tensor of an open checkpoint. Its numbers stay in the file until `read()`. */
export interface TensorRef {
  readonly dtype: HostDType;
  readonly shape: readonly number[];
  /** Reads the numbers, row-major, into fresh memory. @throws CheckpointError when the file is damaged. */
  read(): Promise<HostTensor>;
  /** Equal for tensors that are the same numbers in the file (tied weights). */
  readonly identity?: unknown;
}

/** A tensor to be written whose numbers are made when their turn comes, and let go afterwards. */
export interface LazyTensor {
  readonly dtype: HostDType;
  readonly shape: readonly number[];
  read(): HostTensor | Promise<HostTensor>;
  /** Tensors with the same identity share one storage in a PyTorch file; itself where it is absent. */
  readonly identity?: unknown;
}

export type SavedTensor = HostTensor | LazyTensor;

/** Stands where a file holds what is not plain data, nor a tensor that can be read here: only its name is kept. */
export class Unreadable {
  /** @param kind what it is: "datetime.date", "a tensor of float8_e4m3fn" */
  constructor(readonly kind: string) {}
}

/** Python's collections.OrderedDict; `attributes` are those set on it, such as a state dict's `_metadata`. */
export class OrderedDict<K = unknown, V = unknown> extends Map<K, V> {
  attributes?: Record<string, unknown>;
}

/** A Python float, where a whole number must not become an int. */
export class PyFloat {
  constructor(readonly value: number) {}
}

/** A Python tuple: a frozen array. What is read from tuples is frozen too. */
export const tuple = <T>(...items: T[]): readonly T[] => Object.freeze(items);

/**
 * What a checkpoint may hold. Plain objects and Maps become dicts, OrderedDicts OrderedDicts, frozen arrays
 * tuples, whole numbers ints, `undefined` is left out of objects.
 */
export type CheckpointValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PyFloat
  | SavedTensor
  | readonly CheckpointValue[]
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | { readonly [key: string]: CheckpointValue };

/** Whether a leaf is a TensorRef or LazyTensor. */
export function isLazyTensor(value: unknown): value is LazyTensor {
  const candidate = value as LazyTensor | null;
  return typeof candidate === 'object' && candidate !== null && typeof candidate.read === 'function';
}

export function isTensorRef(value: unknown): value is TensorRef {
  return isLazyTensor(value);
}

export function isHostTensor(value: unknown): value is HostTensor {
  const candidate = value as HostTensor | null;
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    typeof candidate.dtype === 'string' &&
    Array.isArray(candidate.shape) &&
    ArrayBuffer.isView(candidate.data)
  );
}

/** The entries of what Python calls a dict: a plain object or a Map; undefined for anything else. */
export function dictEntries(value: unknown): [unknown, unknown][] | undefined {
  if (value instanceof Map) return [...value];
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isLazyTensor(value))
    return undefined;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? Object.entries(value) : undefined;
}

/** A member of a dict that came out of a checkpoint, a plain object or a Map; undefined for anything else. */
export function dictMember(dict: unknown, key: string | number): unknown {
  if (dict instanceof Map) return dict.get(key) ?? dict.get(String(key));
  if (typeof dict !== 'object' || dict === null) return undefined;
  return (dict as Record<string, unknown>)[key];
}

/** What a model's state dict holds: a tensor of the engine, seen only as far as saving needs it. */
export interface LiveTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Asked for instead of dataSync, which not every backend has. */
  data(): Promise<ArrayLike<number>>;
}

/**
 * A model's tensors as they are to be saved: read when their turn comes, tied ones stored once, int32 as
 * PyTorch's int64, and the `_metadata` that PyTorch keeps on a state dict: a version for every module.
 */
export function savedState<T extends LiveTensor>(
  state: ReadonlyMap<string, T>,
): OrderedDict<string, LazyTensor> {
  const saved = new OrderedDict([...state].map(([name, tensor]) => [name, savedTensor(tensor)]));
  const modules = new OrderedDict<string, { version: number }>([['', { version: 1 }]]);
  for (const name of state.keys()) {
    const parts = name.split('.').slice(0, -1);
    for (let i = 1; i <= parts.length; i++) modules.set(parts.slice(0, i).join('.'), { version: 1 });
  }
  saved.attributes = { _metadata: modules };
  return saved;
}

/** One tensor of `savedState`. */
export function savedTensor(tensor: LiveTensor): LazyTensor {
  const { shape } = tensor;
  const convert = CONVERT[tensor.dtype];
  if (!convert) throw new TypeError(`a tensor of type ${tensor.dtype} cannot be saved`);
  const { dtype, from } = convert;
  return {
    dtype,
    shape,
    identity: tensor,
    read: async () => ({ dtype, shape, data: from(await tensor.data()) }),
  };
}

/** Element types of the engine, and what they are in a file; PyTorch's integers are int64 unless asked. */
const CONVERT: Record<
  string,
  { dtype: HostDType; from: (data: ArrayLike<number>) => HostArray } | undefined
> = {
  float32: {
    dtype: 'float32',
    from: (data) => (data instanceof Float32Array ? data : Float32Array.from(data)),
  },
  int32: { dtype: 'int64', from: (data) => BigInt64Array.from(Array.from(data), BigInt) },
  bool: { dtype: 'bool', from: (data) => Uint8Array.from(data) },
};
