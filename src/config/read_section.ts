import { z } from 'zod';
import { type Registry, registry } from '../common/registry.js';
import { type CheckOptions, Faults, joinFaults } from './check/faults.js';
import { checkSection } from './check/section.js';
import { resolveTree } from './interpolation.js';
import { findTree, type Override, splitKey, type Tree, treeOf, without, wrap } from './tree.js';

/**
 * The values that a section of a configuration has for the keys of a schema, defaults filled in. Every section is
 * read here, whether it comes from a file or from a program, so that every complaint reads alike.
 * @param section dotted, as `run` or `datasets.nlvr`
 * @throws ConfigError with every unknown key and every wrong value, each at its place
 */
export function readTree<S extends z.ZodObject>(
  tree: Tree,
  section: string,
  schema: S,
  { registry: known = registry, used = tree, ...options }: ReadTreeOptions = {},
): z.output<S> {
  const path = splitKey(section);
  const valueIn = (part: Tree) => {
    const at = findTree(part, path);
    return (at && resolveTree(tree, at, path)) ?? {};
  };
  const faults = new Faults(tree, known, options);
  checkSection(faults, path, valueIn(used), schema);
  if (faults.list.length > 0) throw joinFaults(faults.list, section);
  return schema.parse(valueIn(faults.unused.reduce(without, used))) as z.output<S>;
}

interface ReadTreeOptions extends CheckOptions {
  registry?: Registry;
  /** The tree without the keys that were let pass; interpolations may refer to them all the same. */
  used?: Tree;
}

export interface ReadOptions {
  /** A Config has refused unknown keys already, with their places: here they may be a warning, or not looked at. */
  unknown?: 'refuse' | 'warn' | 'ignore';
}

/**
 * A plain section's keys with their defaults filled in: what `Config.read` does with a section of a file.
 * @param what names the section or its owner, as in "datasets.nlvr" or "blip_image_eval".
 * @throws ConfigError that lists every unknown key and wrong value at once.
 */
export function readSection<S extends z.ZodObject>(
  what: string,
  schema: S,
  section: unknown,
  { unknown = 'refuse' }: ReadOptions = {},
): z.output<S> {
  const plain = treeOf((section ?? {}) as Override, { kind: 'command' });
  const tree = splitKey(what).reduceRight((inner, key) => wrap(key, inner), plain);
  const read = unknown === 'ignore' ? (z.object(schema.shape) as unknown as S) : schema;
  return readTree(tree, what, read, { inCode: true, allowUnknown: unknown === 'warn' });
}
