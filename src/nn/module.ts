import { CheckpointError } from '../common/errors.js';
import { type HostTensor, toFloat32 } from '../common/host_tensor.js';
import { Rng } from '../common/random.js';
import { tf } from '../engine/index.js';
import type { Initializer } from './init.js';

/** What a state dict may hold: tensors of the engine or of host memory. */
export type StateValue = tf.Tensor | HostTensor;
export type StateSource = ReadonlyMap<string, StateValue> | Readonly<Record<string, StateValue>>;

/** Names that did not find their match, in the order of the state dict they belong to. */
export interface LoadReport {
  missing: string[];
  unexpected: string[];
}

interface Declared {
  variable: tf.Variable;
  /** Draws the first values; absent for a tied name, whose first name has it. */
  init?: Initializer;
  /** Of a tied name that may have numbers of its own: hands the module the variable that it is to use from then on. */
  untie?: (own: tf.Variable) => void;
}

interface Entry extends Declared {
  name: string;
  kind: 'parameter' | 'buffer';
}

/**
 * A tree of named parameters, with PyTorch's names, shapes and layouts.
 *
 * Parameters belong to the module and live until `dispose()`; whatever a forward function makes belongs to
 * the enclosing tf.tidy. Parameters start as zeros: `initialize` draws them, `loadStateDict` copies them.
 */
export abstract class Module {
  readonly #parameters = new Map<string, Declared>();
  readonly #buffers = new Map<string, Declared>();
  readonly #children = new Map<string, Module>();
  #still = false;

  /**
   * The parameters that are trained, by their first name, in PyTorch's order; a tied one is listed once. For
   * these alone there are gradients, moments of an optimizer and exchanges between ranks.
   */
  namedParameters(): Map<string, tf.Variable> {
    return this.#firstNames('parameter', (variable) => variable.trainable);
  }

  /** The parameters that `freeze` took out of training, as `namedParameters` lists the others. */
  frozenParameters(): Map<string, tf.Variable> {
    return this.#firstNames('parameter', (variable) => !variable.trainable);
  }

  /** Tensors that are saved and never trained, by their first name: what is no weight, such as a queue. */
  namedBuffers(): Map<string, tf.Variable> {
    return this.#firstNames('buffer', () => true);
  }

  /** Takes every parameter out of training: it is saved, and stays as it is. A tied one is frozen everywhere. */
  freeze(): this {
    for (const variable of this.#firstNames('parameter', () => true).values()) variable.trainable = false;
    return this;
  }

  /**
   * Gives the second name of a tied parameter numbers of its own, for weights that were trained apart: equal ones at
   * first. An optimizer that is there already does not know it.
   * @returns whether the name is one that may part from the first
   */
  untie(name: string): boolean {
    const declared = this.#parameters.get(name);
    if (declared?.untie) {
      const { variable, untie } = declared;
      const own = tf.tidy(() => tf.variable(variable.clone(), variable.trainable));
      this.#parameters.set(name, { variable: own });
      untie(own);
      return true;
    }
    for (const [child, module] of this.#children) {
      if (name.startsWith(`${child}.`)) return module.untie(name.slice(child.length + 1));
    }
    return false;
  }

  /** Ends dropout and stochastic depth here and below, in training too: for parts that are frozen for good. */
  keepStill(): this {
    this.#still = true;
    for (const child of this.#children.values()) child.keepStill();
    return this;
  }

  get isStill(): boolean {
    return this.#still;
  }

  /** What this module draws from: nothing where it is kept still. @param rng of the forward pass */
  protected noiseFrom(rng: Rng | undefined): Rng | undefined {
    return this.#still ? undefined : rng;
  }

  /** Every module below this one by its name, '' for this one itself; a shared one under each of its names. */
  *namedModules(prefix = ''): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [name, module] of this.#children) {
      yield* module.namedModules(prefix ? `${prefix}.${name}` : name);
    }
  }

  /** The live tensors under every name, frozen and tied ones and buffers included, in PyTorch's order. */
  stateDict(): Map<string, tf.Variable> {
    const state = new Map<string, tf.Variable>();
    for (const { name, variable } of this.#entries()) state.set(name, variable);
    return state;
  }

  /**
   * Copies values in.
   * @throws CheckpointError when a shape differs; and, if strict, when a name is missing or unexpected.
   */
  loadStateDict(state: StateSource, { strict = true }: { strict?: boolean } = {}): LoadReport {
    const given = state instanceof Map ? state : new Map(Object.entries(state));
    const own = this.stateDict();
    const report = matchNames(own, given);
    if (strict && (report.missing.length || report.unexpected.length)) throw namesDiffer(report);
    const wrong = shapeDifferences(own, given);
    if (wrong.length) throw shapesDiffer(wrong);
    for (const [name, variable] of own) {
      const value = given.get(name);
      if (value) assignValues(variable, value);
    }
    return report;
  }

  /** Draws parameters; each from a stream of its own, so that no order matters. @param names default: all. */
  initialize(seed: number, names?: ReadonlySet<string>): void {
    const seen = new Set<tf.Variable>();
    for (const { name, variable, init } of this.#entries()) {
      if (seen.has(variable)) continue; // the second name of a shared module's parameter
      seen.add(variable);
      if (!init || (names && !names.has(name))) continue;
      const values = new Float32Array(variable.size);
      init(values, Rng.of(seed, 'init', name));
      assignValues(variable, { dtype: 'float32', shape: variable.shape, data: values });
    }
  }

  /** Frees parameters and buffers; the module cannot be used after. */
  dispose(): void {
    for (const variable of new Set(this.stateDict().values())) {
      if (!variable.isDisposed) variable.dispose();
    }
  }

  /** Declares a parameter. @param name as PyTorch's. */
  protected parameter(name: string, shape: number[], init: Initializer): tf.Variable {
    const variable = tf.tidy(() => tf.variable(tf.zeros(shape)));
    this.#parameters.set(name, { variable, init });
    return variable;
  }

  /**
   * Declares a second name of another module's parameter.
   * @param untie takes the variable that `Module.untie` makes for the name, where the two may part
   */
  protected tied(name: string, variable: tf.Variable, untie?: (own: tf.Variable) => void): tf.Variable {
    this.#parameters.set(name, { variable, untie });
    return variable;
  }

  /** Declares a tensor that is saved and never trained. @param init draws it, where its first values are random */
  protected buffer(name: string, value: () => tf.Tensor, init?: Initializer): tf.Variable {
    const variable = tf.tidy(() => tf.variable(value(), false));
    this.#buffers.set(name, { variable, init });
    return variable;
  }

  /** Declares a module below this one; one that stands below two modules has two names for each parameter. */
  protected child<M extends Module>(name: string, module: M): M {
    this.#children.set(name, module);
    return module;
  }

  /** Takes a parameter away, and frees it. */
  protected removeParameter(name: string): void {
    this.#parameters.get(name)?.variable.dispose();
    this.#parameters.delete(name);
  }

  /** Takes a module below this one away, and frees it. */
  protected removeChild(name: string): void {
    this.#children.get(name)?.dispose();
    this.#children.delete(name);
  }

  /** Declares a list of modules, named name.0, name.1, … */
  protected childList<M extends Module>(name: string, modules: M[]): M[] {
    modules.forEach((module, i) => {
      this.child(`${name}.${i}`, module);
    });
    return modules;
  }

  /** PyTorch's order: own parameters, own buffers, then the children's. */
  *#entries(prefix = ''): Generator<Entry> {
    for (const [name, declared] of this.#parameters) {
      yield { name: prefix + name, kind: 'parameter', ...declared };
    }
    for (const [name, declared] of this.#buffers) yield { name: prefix + name, kind: 'buffer', ...declared };
    for (const [name, module] of this.#children) yield* module.#entries(`${prefix}${name}.`);
  }

  #firstNames(wanted: Entry['kind'], holds: (variable: tf.Variable) => boolean): Map<string, tf.Variable> {
    const named = new Map<string, tf.Variable>();
    const seen = new Set<tf.Variable>();
    for (const { name, variable, kind } of this.#entries()) {
      if (kind !== wanted || seen.has(variable) || !holds(variable)) continue;
      seen.add(variable);
      named.set(name, variable);
    }
    return named;
  }
}

interface Shaped {
  readonly shape: readonly number[];
}

/** Compares the names of two state dicts. */
function matchNames(own: ReadonlyMap<string, unknown>, given: ReadonlyMap<string, unknown>): LoadReport {
  return {
    missing: [...own.keys()].filter((name) => !given.has(name)),
    unexpected: [...given.keys()].filter((name) => !own.has(name)),
  };
}

/** The names whose shapes differ, each with both shapes. */
function shapeDifferences(own: ReadonlyMap<string, Shaped>, given: ReadonlyMap<string, Shaped>): string[] {
  const wrong: string[] = [];
  for (const [name, { shape }] of own) {
    const other = given.get(name)?.shape;
    if (other && !sameShape(shape, other)) wrong.push(`${name}: [${other}] for [${shape}]`);
  }
  return wrong;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** The first few of a long list, and how many more there are. */
export function firstFew(names: readonly string[], count = 4): string {
  const rest = names.length - count;
  return names.slice(0, count).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function namesDiffer({ missing, unexpected }: LoadReport): CheckpointError {
  const found = [
    missing.length ? `missing: ${firstFew(missing)}` : '',
    unexpected.length ? `unexpected: ${firstFew(unexpected)}` : '',
  ];
  return new CheckpointError("the state dict does not have the model's names", {
    found: found.filter(Boolean).join('\n'),
    help: 'with { strict: false } they are reported and left as they are',
  });
}

function shapesDiffer(wrong: string[]): CheckpointError {
  return new CheckpointError("the state dict's tensors have other shapes than the model's", {
    found: wrong.slice(0, 4).join('\n') + (wrong.length > 4 ? `\nand ${wrong.length - 4} more` : ''),
    allowed: 'the sizes that the checkpoint was made with',
  });
}

/**
 * Overwrites a variable with values of the same shape, whatever their number format. A host tensor's array
 * may become the variable's memory; a tensor is copied, as the optimizer writes variables in place.
 */
export function assignValues(variable: tf.Variable, value: tf.Tensor | HostTensor): void {
  tf.tidy(() => {
    const { shape, dtype } = variable;
    if (value instanceof tf.Tensor) {
      variable.assign(value.add(tf.scalar(0, value.dtype)).cast(dtype));
    } else {
      variable.assign(tf.tensor(dtype === 'int32' ? toInt32(value) : toFloat32(value), shape, dtype));
    }
  });
}

function toInt32({ data }: HostTensor): Int32Array {
  if (data instanceof Int32Array) return data;
  return data instanceof BigInt64Array ? Int32Array.from(data, Number) : Int32Array.from(data);
}
