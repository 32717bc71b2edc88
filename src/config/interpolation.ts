import { ConfigError } from '../common/errors.js';
import { didYouMean } from '../common/suggest.js';
import {
  describeOrigin,
  findTree,
  isPlainObject,
  type Origin,
  type PlainValue,
  splitKey,
  type Tree,
  toPlain,
} from './tree.js';
import { parseYaml } from './yaml.js';

/**
 * The plain value of a tree with every `${…}` replaced, as OmegaConf does it: `${a.b}`, `${.sibling}`,
 * `${..up}`, `${oc.env:NAME}`, `${oc.env:NAME,default}`, `${oc.decode:TEXT}`, nested ones, and `\${` for a literal `${`. A value
 * that is one interpolation and nothing else keeps the type of what it points at.
 * @param root what absolute keys are looked up in.
 * @param path of `tree` in `root`.
 * @throws ConfigError for a key or variable that is not there, and for a circle.
 */
export function resolveTree(root: Tree, tree: Tree, path: readonly string[]): PlainValue {
  return new Resolver(root).resolve(tree, path);
}

class Resolver {
  /** The paths being resolved, to notice circles. */
  readonly #open: string[] = [];

  constructor(readonly root: Tree) {}

  resolve(tree: Tree, path: readonly string[]): PlainValue {
    if (tree.kind === 'list') return tree.items.map((item, i) => this.resolve(item, [...path, String(i)]));
    if (tree.kind === 'map') {
      const entries = [...tree.entries].map(([key, entry]): [string, PlainValue] => [
        key,
        this.resolve(entry.tree, [...path, key]),
      ]);
      return Object.fromEntries(entries);
    }
    if (typeof tree.value !== 'string' || !tree.value.includes('${')) return tree.value;
    const key = path.join('.');
    if (this.#open.includes(key)) {
      throw new ConfigError('interpolations are circular', {
        where: describeOrigin(tree.origin),
        found: [...this.#open, key].join(' → '),
      });
    }
    this.#open.push(key);
    try {
      return this.#text(tree.value, path, tree.origin);
    } finally {
      this.#open.pop();
    }
  }

  /** A text with interpolations in it. */
  #text(text: string, path: readonly string[], origin: Origin): PlainValue {
    const parts: PlainValue[] = [];
    let literal = '';
    for (let i = 0; i < text.length; ) {
      if (text.startsWith('\\${', i)) {
        literal += '${';
        i += 3;
      } else if (text.startsWith('${', i)) {
        const end = closingBrace(text, i + 2);
        if (end < 0) {
          throw new ConfigError(`the interpolation '${text.slice(i)}' has no closing brace`, {
            where: describeOrigin(origin),
          });
        }
        if (literal) parts.push(literal);
        literal = '';
        parts.push(this.#interpolation(text.slice(i + 2, end), path, origin));
        i = end + 1;
      } else {
        literal += text[i++];
      }
    }
    if (literal) parts.push(literal);
    if (parts.length === 1) return parts[0];
    return parts.map(asText).join('');
  }

  #interpolation(inner: string, path: readonly string[], origin: Origin): PlainValue {
    const expanded = inner.includes('${') ? asText(this.#text(inner, path, origin)) : inner;
    const colon = expanded.indexOf(':');
    return colon < 0
      ? this.#lookUp(expanded.trim(), path, origin)
      : this.#call(expanded.slice(0, colon).trim(), expanded.slice(colon + 1), origin);
  }

  #lookUp(reference: string, path: readonly string[], origin: Origin): PlainValue {
    const dots = /^\.*/.exec(reference)![0].length;
    const keys = splitKey(reference.slice(dots));
    const target = dots > 0 ? [...path.slice(0, path.length - dots), ...keys] : keys;
    const found = findTree(this.root, target);
    if (!found) {
      const parent = findTree(this.root, target.slice(0, -1));
      const known = parent?.kind === 'map' ? [...parent.entries.keys()] : [];
      throw new ConfigError(`the interpolation \${${reference}} refers to nothing`, {
        where: describeOrigin(origin),
        found: [`no key '${target.join('.')}'`, didYouMean(target.at(-1) ?? '', known)]
          .filter(Boolean)
          .join('; '),
        help:
          process.env[reference] === undefined && !/^[A-Z][A-Z0-9_]*$/.test(reference)
            ? undefined
            : `an environment variable is written \${oc.env:${reference}}`,
      });
    }
    return this.resolve(found, target);
  }

  #call(name: string, args: string, origin: Origin): PlainValue {
    if (name === 'oc.decode') return toPlain(parseYaml(args, origin));
    if (name !== 'oc.env') {
      throw new ConfigError(`no resolver is named '${name}'`, {
        where: describeOrigin(origin),
        allowed: `\${section.key}, \${oc.env:NAME,default}, \${oc.decode:TEXT}`,
      });
    }
    const comma = args.indexOf(',');
    const variable = (comma < 0 ? args : args.slice(0, comma)).trim();
    const value = process.env[variable];
    if (value !== undefined) return value;
    if (comma >= 0) return environmentDefault(args.slice(comma + 1).trim(), origin);
    throw new ConfigError(`the environment variable '${variable}' is not set`, {
      where: describeOrigin(origin),
      help: `set it, or give a default: \${oc.env:${variable},default}`,
    });
  }
}

/** oc.env gives texts: a default is made one, but null stays null. */
function environmentDefault(text: string, origin: Origin): string | null {
  const value = toPlain(parseYaml(text, origin));
  return value === null && text !== '' ? null : asText(value ?? '');
}

/** The position of the brace that closes the one before `from`; -1 where none does. */
function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return -1;
}

/** A value inside a longer text, spelled as Python spells it. */
function asText(value: PlainValue): string {
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (value === null) return 'None';
  return isPlainObject(value) || Array.isArray(value) ? JSON.stringify(value) : String(value);
}
