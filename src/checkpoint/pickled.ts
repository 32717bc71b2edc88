import { Unreadable } from './values.js';

/** What the unpickler makes of things that have no counterpart among plain values. */

interface Behaviour {
  /** `name(*args)`; absent where calling is refused. */
  call?(args: readonly unknown[]): unknown;
  /** What the name stands for: the dtype of a storage class, say. */
  value?: unknown;
}

/** A class or function that a pickle may name. */
export class Global {
  readonly call: Behaviour['call'];
  readonly value: unknown;
  constructor(
    readonly name: string,
    behaviour: Behaviour = {},
  ) {
    this.call = behaviour.call;
    this.value = behaviour.value;
  }
}

/** A class or function that is not known here: it is never run, and what it would make is an OpaqueInstance. */
export class ForeignGlobal extends Global {
  constructor(name: string, kind = name) {
    super(name, { call: () => new OpaqueInstance(kind) });
  }
}

/** An instance of an allowed class. Its state may arrive late, so it is turned into plain data in the end. */
export abstract class Instance {
  /** `object.__setstate__(state)`. @throws when the state is of another form. */
  abstract setState(state: unknown): void;
  /** What stands for the object among plain data; may hold instances again. */
  abstract plain(): unknown;
}

/** An instance of a class that is not known here: its items, where it is a list or a dict, else only its name. */
export class OpaqueInstance extends Instance {
  #items: unknown[] | Map<unknown, unknown> | undefined;

  constructor(private readonly kind: string) {
    super();
  }

  override setState(): void {}

  append(items: readonly unknown[]): void {
    if (!Array.isArray(this.#items)) this.#items = [];
    for (const item of items) this.#items.push(item);
  }

  /** The dict behind a subclass of dict. */
  dict(): Map<unknown, unknown> {
    if (!(this.#items instanceof Map)) this.#items = new Map();
    return this.#items;
  }

  override plain(): unknown {
    return this.#items ?? new Unreadable(this.kind);
  }
}

/** An instance whose state is a dict of attributes. */
export class AttributeInstance extends Instance {
  readonly attributes = new Map<unknown, unknown>();
  constructor(private readonly toPlain: (attributes: Map<unknown, unknown>) => unknown) {
    super();
  }

  override setState(state: unknown): void {
    // A pair is (attributes, slots).
    for (const part of Array.isArray(state) ? state : [state]) {
      if (part === null) continue;
      if (!(part instanceof Map)) throw new TypeError('an object state that is not a dict');
      for (const [name, value] of part) this.attributes.set(name, value);
    }
  }

  override plain(): unknown {
    return this.toPlain(this.attributes);
  }
}
