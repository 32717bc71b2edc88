import { tf } from './tf.js';

/** One recorded operation, as TensorFlow.js 4.22 keeps it on its tape. */
export interface TapeNode {
  id: number;
  kernelName: string;
  inputs: tf.NamedTensorMap;
  outputs: tf.Tensor[];
  saved?: tf.Tensor[];
  gradient?: (dys: (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>;
}

interface TapeState {
  /** TensorFlow.js calls `push` alone. */
  activeTape: Pick<TapeNode[], 'push'> | null;
  gradientDepth: number;
  kernelDepth: number;
}

/** What TensorFlow.js knows of recording. */
export const tapeState = () => tf.engine().state as unknown as TapeState;

/**
 * A tape that takes only what depends on certain tensors, as PyTorch records only what requires a gradient:
 * operations on frozen parameters and constants keep nothing for a backward pass.
 */
export class Tape {
  readonly nodes: TapeNode[] = [];
  /** Ids of tensors through which a gradient flows. */
  readonly #dependent: Set<number>;

  /** @param xs what gradients are wanted of */
  constructor(xs: readonly tf.Tensor[]) {
    this.#dependent = new Set(xs.map((x) => x.id));
  }

  push(node: TapeNode): number {
    if (Object.values(node.inputs).some((input) => this.has(input))) {
      for (const output of node.outputs) this.#dependent.add(output.id);
      return this.nodes.push(node);
    }
    disposeSaved(node);
    return this.nodes.length;
  }

  has(x: tf.Tensor): boolean {
    return this.#dependent.has(x.id);
  }
}

/**
 * Whether the gradient of `x` will be asked for: false where nothing is recorded, or `x` depends on nothing that
 * is trained. An operation need not save what only other gradients are made of.
 */
export function takesGradient(x: tf.Tensor): boolean {
  const { activeTape, gradientDepth } = tapeState();
  if (gradientDepth === 0 || !activeTape) return false;
  return activeTape instanceof Tape ? activeTape.has(x) : true;
}

/** Frees what a recorded operation kept for its backward pass. */
export function disposeSaved(node: TapeNode): void {
  for (const tensor of node.saved ?? []) tensor.dispose();
  node.saved = [];
}
