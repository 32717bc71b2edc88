export type PlainValue = string | number | boolean | null | PlainValue[] | PlainObject;
export interface PlainObject {
  [key: string]: PlainValue;
}

/** Where a value was written. */
export interface Origin {
  /** `option`: a value after --options. `command`: what a command or a program adds by itself. */
  kind: 'default' | 'file' | 'option' | 'command';
  /** As the user would type it; absent for options and commands. */
  file?: string;
  /** 1-based; absent for options and commands. */
  line?: number;
  column?: number;
  /** The option as typed, for options. */
  option?: string;
  /** What asked for the value, for commands: `--checkpoint FILE`, `lavis eval`. */
  command?: string;
}

/** A configuration whose every value knows where it was written. Trees are never changed in place. */
export type Tree =
  | { readonly kind: 'map'; readonly origin: Origin; readonly entries: ReadonlyMap<string, Entry> }
  | { readonly kind: 'list'; readonly origin: Origin; readonly items: readonly Tree[] }
  | {
      readonly kind: 'scalar';
      readonly origin: Origin;
      readonly value: string | number | boolean | null;
      /** The characters of the source, of an unquoted scalar: what 017 or .inf was before it was read. */
      readonly written?: string;
    };

export interface Entry {
  /** Where the key stands: unknown keys are reported there. */
  readonly keyOrigin: Origin;
  readonly tree: Tree;
}

/** A section at the top that only holds blocks for `*aliases`, as in Compose files. */
export const isShared = (section: string) => section.startsWith('x-');

export const emptyMap = (origin: Origin): Tree => ({ kind: 'map', origin, entries: new Map() });

export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `upper` over `lower`: mappings merge key by key; lists, scalars and null replace. As OmegaConf.merge. */
export function mergeTrees(lower: Tree, upper: Tree): Tree {
  if (lower.kind !== 'map' || upper.kind !== 'map') return upper;
  const entries = new Map(lower.entries);
  for (const [key, entry] of upper.entries) {
    const below = entries.get(key);
    entries.set(key, below ? { ...entry, tree: mergeTrees(below.tree, entry.tree) } : entry);
  }
  // an option inside a section does not make the section an option's
  const origin = /option|command/.test(upper.origin.kind) ? lower.origin : upper.origin;
  return { kind: 'map', origin, entries };
}

/** The mapping with `key: tree` alone. */
export function wrap(key: string, tree: Tree, keyOrigin: Origin = tree.origin): Tree {
  return { kind: 'map', origin: tree.origin, entries: new Map([[key, { keyOrigin, tree }]]) };
}

/** The tree without one key. */
export function without(tree: Tree, [key, ...rest]: readonly string[]): Tree {
  const entry = tree.kind === 'map' ? tree.entries.get(key) : undefined;
  if (tree.kind !== 'map' || !entry) return tree;
  const entries = new Map(tree.entries);
  if (rest.length > 0) entries.set(key, { ...entry, tree: without(entry.tree, rest) });
  else entries.delete(key);
  return { ...tree, entries };
}

/**
 * Plain values as a tree of one origin. Texts are taken as they are: a path with `${` in it is not an
 * interpolation. Keys whose value is undefined are left out.
 */
export function treeOf(value: Override, origin: Origin): Tree {
  if (typeof value === 'string') return { kind: 'scalar', origin, value: literalText(value) };
  if (value === null || typeof value !== 'object') return { kind: 'scalar', origin, value };
  if (Array.isArray(value)) return { kind: 'list', origin, items: value.map((item) => treeOf(item, origin)) };
  const entries = Object.entries(value).flatMap(([key, inner]): [string, Entry][] =>
    inner === undefined ? [] : [[key, { keyOrigin: origin, tree: treeOf(inner, origin) }]],
  );
  return { kind: 'map', origin, entries: new Map(entries) };
}

/** What `treeOf` takes. */
export type Override = string | number | boolean | null | readonly Override[] | OverrideSection;
export interface OverrideSection {
  readonly [key: string]: Override | undefined;
}

/** A text that resolves to itself. */
const literalText = (text: string) => text.replaceAll('${', '\\${');

export function toPlain(tree: Tree): PlainValue {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(toPlain);
  // defineProperty semantics, so that a key named __proto__ stays a key
  return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toPlain(entry.tree)]));
}

/** The keys of `a.b[0].c`, as OmegaConf splits them. */
export function splitKey(dotted: string): string[] {
  return dotted.split(/\.|\[|\]\.?/).filter((part, i, all) => part !== '' || i < all.length - 1);
}

/** The tree under a path of keys and indices; undefined where there is none. */
export function findTree(tree: Tree, path: readonly (string | number)[]): Tree | undefined {
  return findEntry(tree, path)?.tree;
}

/** Like `findTree`, with the place of the last key. */
export function findEntry(tree: Tree, path: readonly (string | number)[]): Entry | undefined {
  let entry: Entry | undefined = { keyOrigin: tree.origin, tree };
  for (const step of path) {
    const here: Tree = entry.tree;
    if (here.kind === 'map') entry = here.entries.get(String(step));
    else if (here.kind === 'list') {
      const item: Tree | undefined = here.items[Number(step)];
      entry = item && { keyOrigin: item.origin, tree: item };
    } else return undefined;
    if (!entry) return undefined;
  }
  return entry;
}

/** Every leaf, in order, with its path; empty mappings and lists are leaves. */
export function* leaves(tree: Tree, path: string[] = []): Generator<{ path: string[]; tree: Tree }> {
  if (tree.kind === 'map' && tree.entries.size > 0) {
    for (const [key, entry] of tree.entries) yield* leaves(entry.tree, [...path, key]);
  } else {
    yield { path, tree };
  }
}

/** `file:line:column`, or the option as typed, or what the command was asked. */
export function describeOrigin(origin: Origin): string {
  if (origin.kind === 'command') return origin.command!;
  if (origin.kind === 'option') return `--options ${origin.option}`;
  const place = origin.line === undefined ? origin.file! : `${origin.file}:${origin.line}:${origin.column}`;
  return origin.kind === 'default' ? `${place} (default)` : place;
}
