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

/** An instance of an allowed class. Its state may arrive late, so it is turned into plain data in the end. */
export abstract class Instance {
  /** `object.__setstate__(state)`. @throws when the state is of another form. */
  abstract setState(state: unknown): void;
  /** What stands for the object among plain data; may hold instances again. */
  abstract plain(): unknown;
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
      if (!(part instanceof Map)) throw new TypeError('an object state that is no dict');
      for (const [name, value] of part) this.attributes.set(name, value);
    }
  }

  override plain(): unknown {
    return this.toPlain(this.attributes);
  }
}
