import { noGrad, tf } from '../engine/index.js';
import type { Module } from '../nn/index.js';

/** A module and the frozen copy that follows it. */
export interface MomentumPair {
  online: Module;
  /** The copy, of the same architecture. */
  momentum: Module;
  /** The copy's name in the model, such as 'visual_encoder_m'. */
  name: string;
}

/**
 * The momentum copies of a model: frozen, saved with it, and moved a little towards the online weights at every
 * training step. Source: arXiv:1911.05722; lavis/models/base_model.py, MomentumDistilationMixin.
 */
export class MomentumModels {
  /** Whether the copies stay where they are. */
  held = false;
  #alike = false;

  constructor(
    readonly pairs: readonly MomentumPair[],
    readonly momentum: number,
  ) {
    for (const { momentum: copy } of pairs) copy.freeze();
  }

  /** m = momentum * m + (1 - momentum) * online, for every parameter; buffers stay as they are; nothing while held. */
  update(): void {
    if (this.held) return;
    if (!this.#alike) this.#keepStill();
    this.#each((copy, online) => copy.mul(this.momentum).add(online.mul(1 - this.momentum)));
  }

  /**
   * Starts the copies from the online weights.
   * @param names of the model's state dict: only these; all where left out
   * @returns the names that are copied
   */
  copy(names?: readonly string[]): string[] {
    const wanted = names && new Set(names);
    const copied: string[] = [];
    this.#each((_, online, name) => {
      if (wanted && !wanted.has(name)) return undefined;
      copied.push(name);
      return online.clone();
    });
    return copied;
  }

  /** The copy of a part that is frozen for good is kept still as it is. */
  #keepStill(): void {
    for (const { online, momentum } of this.pairs) {
      const copies = new Map(momentum.namedModules());
      for (const [name, module] of online.namedModules()) {
        if (module.isStill) copies.get(name)?.keepStill();
      }
    }
    this.#alike = true;
  }

  #each(next: (copy: tf.Variable, online: tf.Variable, name: string) => tf.Tensor | undefined): void {
    for (const { online, momentum, name } of this.pairs) {
      const [from, to] = [online.stateDict(), momentum.frozenParameters()];
      for (const [key, copy] of to) {
        noGrad(() =>
          tf.tidy(() => {
            const value = next(copy, from.get(key)!, `${name}.${key}`);
            if (value) copy.assign(value);
          }),
        );
      }
    }
  }
}
