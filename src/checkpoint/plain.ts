import type { CheckpointError } from '../common/errors.js';
import { LIMITS } from './limits.js';
import { ForeignGlobal, Global, Instance } from './pickled.js';
import { isLazyTensor, OrderedDict, Unreadable } from './values.js';

/**
 * Turns what a pickle made into plain data: dicts with text keys become objects, other dicts Maps,
 * OrderedDicts stay OrderedDicts, instances give way to what stands for them. What is shared stays shared.
 * @throws CheckpointError for a value that contains itself, nests too deep, or is too large written out.
 */
export function toPlain(raw: unknown, error: (what: string, found?: string) => CheckpointError): unknown {
  /** Finished values, and how many values each stands for when written out. */
  const done = new Map<object, { plain: unknown; count: number }>();
  const open = new Set<object>();

  /** The plain value, and its size. */
  function convert(value: unknown, depth: number): { plain: unknown; count: number } {
    if (typeof value !== 'object' || value === null || isLeaf(value)) return { plain: value, count: 1 };
    if (value instanceof ForeignGlobal) return { plain: new Unreadable(value.name), count: 1 };
    if (value instanceof Global) return { plain: value.name, count: 1 };
    const known = done.get(value);
    if (known) return known;
    if (open.has(value)) throw error('holds a value that contains itself');
    if (depth > LIMITS.depth) throw error(`nests more than ${LIMITS.depth} containers`);
    open.add(value);
    let count = 1;
    const part = (inner: unknown) => {
      const { plain, count: size } = convert(inner, depth + 1);
      count += size;
      if (count > LIMITS.values) throw error(`holds more than ${LIMITS.values} values`);
      return plain;
    };
    const plain = rebuild(value, part);
    open.delete(value);
    const result = { plain, count };
    done.set(value, result);
    return result;
  }

  function rebuild(value: object, part: (inner: unknown) => unknown): unknown {
    if (value instanceof Instance) return part(value.plain());
    if (Array.isArray(value)) {
      const items = value.map(part);
      return Object.isFrozen(value) ? Object.freeze(items) : items;
    }
    if (value instanceof Set) return new Set([...value].map(part));
    if (value instanceof OrderedDict) {
      const dict = new OrderedDict();
      for (const [key, inner] of value) dict.set(part(key), part(inner));
      if (value.attributes) {
        dict.attributes = Object.fromEntries(Object.entries(value.attributes).map(([k, v]) => [k, part(v)]));
      }
      return dict;
    }
    if (value instanceof Map) return plainDict(value, part);
    // A storage by itself, or another thing that only tensors may hold.
    throw error('holds a storage outside any tensor');
  }

  return convert(raw, 0).plain;
}

const isLeaf = (value: object) =>
  value instanceof Uint8Array || value instanceof Unreadable || isLazyTensor(value);

function plainDict(dict: Map<unknown, unknown>, part: (inner: unknown) => unknown): unknown {
  const entries: [unknown, unknown][] = [];
  for (const [key, inner] of dict) entries.push([part(key), part(inner)]);
  if (!entries.every(([key]) => typeof key === 'string')) return new Map(entries);
  // fromEntries defines properties, so that '__proto__' is a key like any other.
  return Object.fromEntries(entries);
}
