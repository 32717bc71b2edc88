export type PlainValue = string | number | boolean | null | PlainValue[] | PlainObject;
export interface PlainObject {
  [key: string]: PlainValue;
}

/** Where a value was written. */
export interface Origin {
  kind: 'default' | 'file' | 'option';
  /** As the user would type it; absent for options. */
  file?: string;
  /** 1-based; absent for options. */
  line?: number;
  column?: number;
  /** The option as typed, for options. */
  option?: string;
}

/** A configuration whose every value knows where it was written. Trees are never changed in place. */
export type Tree =
  | { readonly kind: 'map'; readonly origin: Origin; readonly entries: ReadonlyMap<string, Entry> }
  | { readonly kind: 'list'; readonly origin: Origin; readonly items: readonly Tree[] }
  | { readonly kind: 'scalar'; readonly origin: Origin; readonly value: string | number | boolean | null };

export interface Entry {
  /** Where the key stands: unknown keys are reported there. */
  readonly keyOrigin: Origin;
  readonly tree: Tree;
}

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
  const origin = upper.origin.kind === 'option' ? lower.origin : upper.origin;
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

/** `file:line:column`, or the option as typed. */
export function describeOrigin(origin: Origin): string {
  if (origin.kind === 'option') return `--options ${origin.option}`;
  const place = origin.line === undefined ? origin.file! : `${origin.file}:${origin.line}:${origin.column}`;
  return origin.kind === 'default' ? `${place} (default)` : place;
}
