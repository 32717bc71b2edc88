import type { TensorRef } from './values.js';

export type CheckpointFormat = 'pth' | 'pth-legacy' | 'safetensors';

/** An open checkpoint file: its structure in memory, its numbers still in the file. */
export interface Checkpoint {
  readonly path: string;
  readonly format: CheckpointFormat;
  /**
   * Dicts as plain objects (text keys) or Maps, lists and tuples as arrays, TensorRef leaves; Unreadable for
   * objects of other classes and tensors of other element types, which are passed over.
   */
  readonly root: unknown;
  /** safetensors: the texts of `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The weights: what lies under "model" (or "state_dict", "net", … at any depth), or the file itself where it
   * is a bare state dict. @throws CheckpointError when there are none.
   */
  stateDict(): Map<string, TensorRef>;
  /** The weights that cannot be read: what each is, by its name. @throws CheckpointError as `stateDict`. */
  unreadable(): Map<string, string>;
  /** What PyTorch keeps on a state dict beside its tensors: `_metadata`. */
  attributes(): Record<string, unknown> | undefined;
  close(): Promise<void>;
}
