/**
 * How much a checkpoint may ask for. Each is far above what training makes and low enough that a hostile
 * file ends in an error, not in a machine out of memory.
 */
export const LIMITS = {
  /** Bytes of one pickle: the structure, without the numbers. */
  pickleBytes: 256 * 2 ** 20,
  /** Containers, tensors and other objects that a pickle makes. */
  objects: 500_000,
  /** Bytes that the calls in a pickle may copy. */
  copiedBytes: 2 ** 29,
  /** Values on the unpickler's stack and in its memo. */
  stack: 4_000_000,
  /** Containers inside containers. */
  depth: 100,
  /** Values of the whole tree, shared ones counted wherever they appear. */
  values: 10_000_000,
  /** Bytes of a whole number. */
  integerBytes: 1024,
  /** Members of a zip archive: one a storage. */
  entries: 200_000,
  /** Dimensions of a tensor (PyTorch's own limit). */
  dimensions: 64,
  /** Elements of a view that repeats its storage (expanded, overlapping). */
  repeatedElements: 2 ** 26,
  /** Bytes of a safetensors header (the format's own limit). */
  headerBytes: 100_000_000,
  /** Values in it, and containers inside containers. */
  headerValues: 4_000_000,
  headerDepth: 8,
} as const;
