import { add, type Pattern, type State } from './pattern.js';

/** A set of nondeterministic states, with its transitions as far as texts have asked for them. */
interface Node {
  readonly consuming: readonly number[];
  /** The first rule that accepts here, or -1. */
  readonly rule: number;
  readonly ascii: (Node | null | undefined)[];
  readonly others: Map<number, Node | null>;
}

/**
 * Finds the longest text that any of some patterns matches; among patterns that match the same text, the
 * first one wins. Deterministic states are made when first needed, so that reading costs one look-up a
 * character.
 */
export class Automaton {
  readonly #states: State[] = [];
  readonly #nodes = new Map<string, Node>();
  readonly #start: Node;

  constructor(patterns: readonly Pattern[]) {
    const starts = patterns.map((pattern, rule) =>
      pattern(this.#states, add(this.#states, { kind: 'accept', rule })),
    );
    this.#start = this.#node(starts)!;
  }

  /** The longest match that begins at `from`, undefined when no pattern matches one character or more. */
  longest(source: string, from: number): { rule: number; end: number } | undefined {
    let found: { rule: number; end: number } | undefined;
    let node: Node | null = this.#start;
    for (let i = from; i < source.length; i++) {
      node = this.#step(node, source.charCodeAt(i));
      if (!node) break;
      if (node.rule >= 0) found = { rule: node.rule, end: i + 1 };
    }
    return found;
  }

  /** Every end of a match that begins at `from` and ends at `limit` at the latest, in order. */
  ends(source: string, from: number, limit: number): number[] {
    const found: number[] = [];
    let node: Node | null = this.#start;
    for (let i = from; i < limit; i++) {
      node = this.#step(node, source.charCodeAt(i));
      if (!node) break;
      if (node.rule >= 0) found.push(i + 1);
    }
    return found;
  }

  #step(node: Node, code: number): Node | null {
    const known = code < 128 ? node.ascii[code] : node.others.get(code);
    if (known !== undefined) return known;
    const c = String.fromCharCode(code);
    const targets: number[] = [];
    for (const index of node.consuming) {
      const state = this.#states[index];
      if (state.kind === 'consume' && state.set.test(c)) targets.push(state.next);
    }
    const next = this.#node(targets);
    if (code < 128) node.ascii[code] = next;
    else node.others.set(code, next);
    return next;
  }

  #node(starts: readonly number[]): Node | null {
    const reached = new Set<number>();
    const pending = [...starts];
    let rule = -1;
    while (pending.length > 0) {
      const index = pending.pop()!;
      if (reached.has(index)) continue;
      reached.add(index);
      const state = this.#states[index];
      if (state.kind === 'branch') pending.push(...state.targets);
      else if (state.kind === 'accept' && (rule < 0 || state.rule < rule)) rule = state.rule;
    }
    if (reached.size === 0) return null;
    const consuming = [...reached]
      .filter((index) => this.#states[index].kind === 'consume')
      .sort((a, b) => a - b);
    const key = `${rule}|${consuming.join()}`;
    let node = this.#nodes.get(key);
    if (!node) {
      node = { consuming, rule, ascii: new Array(128), others: new Map() };
      this.#nodes.set(key, node);
    }
    return node;
  }
}
