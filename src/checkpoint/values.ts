import type { HostDType, HostTensor } from '../common/host_tensor.js';

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
