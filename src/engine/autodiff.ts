import { addInto } from './fused/elementwise.js';
import { activeHalves, withHalves } from './fused/half.js';
import { disposeSaved, Tape, type TapeNode, takesGradient, tapeState } from './tape.js';
import { tf } from './tf.js';
import { recordOperation } from './tfjs_internals.js';

export interface ValueAndGradsOptions {
  /** Called during the backward pass, as soon as a variable's gradient is final. */
  onGrad?: (name: string, grad: tf.Tensor) => void;
  /** Products in float16 and activations kept in it; only where `hasFloat16()`. */
  float16?: boolean;
}

/**
 * The value of `f` and its gradients by variable; a variable that `f` does not reach has none. Walks the
 * tape itself, and disposes what each operation saved as soon as its backward pass is done: the memory of a
 * step falls while gradients grow. The caller owns all that is returned.
 */
export function valueAndGrads(
  f: () => tf.Scalar,
  variables: Map<string, tf.Variable>,
  { onGrad, float16 }: ValueAndGradsOptions = {},
): { value: tf.Scalar; grads: Map<string, tf.Tensor> } {
  const names = [...variables.keys()];
  const { value, grads } = gradients(f, [...variables.values()], {
    onGrad: onGrad && ((index, grad) => onGrad(names[index], grad)),
    float16,
  });
  const byName = new Map<string, tf.Tensor>();
  grads.forEach((grad, index) => {
    if (grad) byName.set(names[index], grad);
  });
  return { value: value as tf.Scalar, grads: byName };
}

/**
 * Gradient checkpointing: f(x), of which only x is kept; the backward pass runs `f` again.
 * @param f deterministic (seeds are fixed outside), and depending on no other tensors that take gradients
 * than `x` and `variables`
 */
export function recompute(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, variables: tf.Variable[]): tf.Tensor {
  const inputs: tf.NamedTensorMap = { x };
  variables.forEach((variable, index) => {
    inputs[`v${index}`] = variable;
  });
  const names = Object.keys(inputs);
  const float16 = activeHalves() !== undefined;
  const ofX = takesGradient(x);
  return recordOperation({
    inputs,
    forwardFunc: (_backend, save) => {
      save([x]);
      return withHalves(float16, () => f(x));
    },
    backwardsFunc: (dy, [kept]) => {
      const xs = ofX ? [kept, ...variables] : variables;
      const { value, grads } = gradients(() => f(kept), xs, { seed: dy, float16 });
      value.dispose();
      const all = ofX ? grads : [undefined, ...grads];
      return Object.fromEntries(
        names.map((name, index) => [name, () => all[index] ?? tf.zerosLike(inputs[name])]),
      );
    },
  });
}

/**
 * What `f` gives, as constants: nothing of it is recorded or kept for a backward pass, inside a forward pass that
 * is being recorded too.
 */
export function noGrad<T>(f: () => T): T {
  const state = tapeState();
  const { gradientDepth } = state;
  state.gradientDepth = 0;
  try {
    return withHalves(activeHalves() !== undefined, f);
  } finally {
    state.gradientDepth = gradientDepth;
  }
}

/** A forward pass whose backward pass is still to come. */
export interface Recording<T> {
  /** What it gave; the caller owns it, and keeps it until `backward` is done. */
  outputs: T;
  /**
   * The gradients by variable, given those of the outputs by name; once only. The caller owns them.
   */
  backward(dys: Record<string, tf.Tensor>): Map<string, tf.Tensor>;
  /** Frees what is kept for a backward pass that will not be. */
  dispose(): void;
}

/**
 * The first of two recorded parts of a step, between which something asynchronous happens: an exchange of features
 * with other ranks, say. The second is `valueAndGrads` over the outputs, or what was made of them, as variables.
 */
export function record<T extends Record<string, tf.Tensor>>(
  f: () => T,
  variables: ReadonlyMap<string, tf.Variable>,
  { float16 = false }: Pick<ValueAndGradsOptions, 'float16'> = {},
): Recording<T> {
  const xs = [...variables.values()];
  const { value: outputs, tape } = taped(() => withHalves(float16, () => tf.tidy('forward', f)), xs);
  const dispose = () => {
    for (const node of tape) disposeSaved(node);
  };
  return {
    outputs,
    dispose,
    backward(dys) {
      const names = Object.keys(dys);
      const seeds = names.map((name) => ({ y: outputs[name], seed: dys[name] }));
      const { value: found } = taped(() => noGrad(() => tf.tidy('backward', () => walk(tape, xs, seeds))));
      dispose();
      const grads = new Map<string, tf.Tensor>();
      [...variables.keys()].forEach((name, i) => {
        if (found[i]) grads.set(name, found[i]);
      });
      return grads;
    },
  };
}

interface GradientsOptions {
  /** The gradient of the result, 1 by default. */
  seed?: tf.Tensor;
  onGrad?: (index: number, grad: tf.Tensor) => void;
  float16?: boolean;
}

/** The value of `f` and its gradients over `xs`. May be called while an outer tape is walked or recorded. */
function gradients(f: () => tf.Tensor, xs: tf.Tensor[], { seed, onGrad, float16 }: GradientsOptions) {
  const { value, tape } = taped(() => withHalves(float16 ?? false, () => tf.tidy('forward', f)), xs);
  try {
    const grads = taped(() =>
      noGrad(() => tf.tidy('backward', () => walk(tape, xs, [{ y: value, seed }], onGrad))),
    ).value;
    return { value, grads };
  } finally {
    for (const node of tape) disposeSaved(node);
  }
}

/** Runs `f` with a tape of its own for what depends on `xs`; what it saved is freed where it throws. */
function taped<T>(f: () => T, xs: readonly tf.Tensor[] = []): { value: T; tape: TapeNode[] } {
  const state = tapeState();
  const { activeTape, gradientDepth, kernelDepth } = state;
  const tape = new Tape(xs);
  Object.assign(state, { activeTape: tape, gradientDepth: 1, kernelDepth: 0 });
  try {
    return { value: f(), tape: tape.nodes };
  } catch (thrown) {
    for (const node of tape.nodes) disposeSaved(node);
    throw thrown;
  } finally {
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}

/** Walks the tape backward; returns the gradient of each of `xs`, undefined where no result depends on it. */
function walk(
  tape: TapeNode[],
  xs: tf.Tensor[],
  results: readonly { y: tf.Tensor; seed?: tf.Tensor }[],
  onGrad?: GradientsOptions['onGrad'],
): (tf.Tensor | undefined)[] {
  const { nodes, needed } = relevantNodes(
    tape,
    xs,
    results.map(({ y }) => y),
  );
  const relevant = new Set(nodes);
  for (const node of tape) if (!relevant.has(node)) disposeSaved(node);

  const finals = finalUses(nodes, xs);
  const wanted = new Set(xs.map((x) => x.id));
  const grads = new Map<number, tf.Tensor>();
  for (const { y, seed } of results) accumulate(grads, y, seed ? seed.clone() : tf.onesLike(y));
  for (let position = nodes.length - 1; position >= 0; position--) {
    const node = nodes[position];
    const dys = node.outputs.map((output) => grads.get(output.id) ?? null);
    if (dys.some((dy) => dy !== null)) {
      for (const [x, dx] of inputGradients(node, dys, needed)) accumulate(grads, x, dx);
    }
    disposeSaved(node);
    for (const output of node.outputs) {
      if (wanted.has(output.id)) continue;
      grads.get(output.id)?.dispose();
      grads.delete(output.id);
    }
    for (const index of finals.get(position) ?? []) {
      const grad = grads.get(xs[index].id);
      if (grad) onGrad?.(index, grad);
    }
  }
  return xs.map((x) => grads.get(x.id));
}

/** The nodes on a path from `xs` to one of `ys`, in the tape's order, and the ids of tensors that depend on `xs`. */
function relevantNodes(tape: TapeNode[], xs: tf.Tensor[], ys: tf.Tensor[]) {
  const needed = new Set(xs.map((x) => x.id));
  const dependent = tape.filter((node) => {
    if (!Object.values(node.inputs).some((input) => needed.has(input.id))) return false;
    for (const output of node.outputs) needed.add(output.id);
    return true;
  });
  const leading = new Set(ys.map((y) => y.id));
  const nodes = dependent.toReversed().filter((node) => {
    if (!node.outputs.some((output) => leading.has(output.id))) return false;
    for (const input of Object.values(node.inputs)) leading.add(input.id);
    return true;
  });
  return { nodes: nodes.reverse(), needed };
}

/** For each position on the tape, the indices of `xs` that no earlier node uses: their gradients are final there. */
function finalUses(nodes: TapeNode[], xs: tf.Tensor[]): Map<number, number[]> {
  const first = new Map<number, number>();
  nodes.forEach((node, position) => {
    for (const input of Object.values(node.inputs)) {
      if (!first.has(input.id)) first.set(input.id, position);
    }
  });
  const finals = new Map<number, number[]>();
  xs.forEach((x, index) => {
    const position = first.get(x.id);
    if (position !== undefined) finals.set(position, [...(finals.get(position) ?? []), index]);
  });
  return finals;
}

/** The gradients of a node's inputs that are needed, each a tensor of its own. */
function inputGradients(
  node: TapeNode,
  dys: (tf.Tensor | null)[],
  needed: Set<number>,
): [tf.Tensor, tf.Tensor][] {
  if (!node.gradient) throw new TypeError(`no gradient is registered for ${node.kernelName}`);
  const inputs = Object.entries(node.inputs).filter(([, input]) => needed.has(input.id));
  const taken = new Set<tf.Tensor | null | undefined>([...dys, ...(node.saved ?? [])]);
  const dxs = tf.tidy(() => {
    const functions = node.gradient!(dys);
    return inputs.map(([name, input]) => {
      if (!functions[name]) throw new TypeError(`${node.kernelName} has no gradient for its input '${name}'`);
      const dx = functions[name]();
      if (!tf.util.arraysEqual(dx.shape, input.shape)) {
        throw new RangeError(
          `the gradient of ${node.kernelName} for '${name}' is [${dx.shape}], the input [${input.shape}]`,
        );
      }
      const own = taken.has(dx) ? dx.clone() : dx;
      taken.add(own);
      return own;
    });
  });
  return inputs.map(([, input], index) => [input, dxs[index]]);
}

/** Adds `dx` to the gradient of `x`. */
function accumulate(grads: Map<number, tf.Tensor>, x: tf.Tensor, dx: tf.Tensor): void {
  const before = grads.get(x.id);
  if (!before) {
    grads.set(x.id, dx);
    return;
  }
  grads.set(x.id, addInto(before, dx));
  before.dispose();
  dx.dispose();
}
