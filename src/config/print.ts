import { dump } from 'js-yaml';
import type { Config } from './config.js';
import { describeOrigin, isPlainObject, leaves, type PlainValue, toPlain } from './tree.js';

/** Each leaf's key, value and origin. @param value the configuration as plain values, resolved or not */
export function originsOf(loaded: Config, value: PlainValue) {
  return [...leaves(loaded.tree)].map(({ path, tree }) => ({
    key: path.join('.'),
    value: valueAt(value, path),
    origin: describeOrigin(tree.origin),
  }));
}

/** YAML with the origin as a comment on each line. */
export function yamlWithOrigins(loaded: Config, value: PlainValue): string {
  const rows: [text: string, origin: string][] = [];
  let above: string[] = [];
  for (const { path, tree } of leaves(loaded.tree)) {
    const shared = path.findIndex((key, i) => key !== above[i]);
    for (let depth = Math.max(0, shared); depth < path.length - 1; depth++) {
      rows.push([`${'  '.repeat(depth)}${inline(path[depth])}:`, '']);
    }
    const shown = inline(value === undefined ? toPlain(tree) : valueAt(value, path));
    rows.push([
      `${'  '.repeat(path.length - 1)}${inline(path.at(-1)!)}: ${shown}`,
      describeOrigin(tree.origin),
    ]);
    above = path;
  }
  const width = Math.min(64, Math.max(...rows.map(([text]) => text.length)));
  return rows.map(([text, origin]) => `${origin ? `${text.padEnd(width)}  # ${origin}` : text}\n`).join('');
}

function valueAt(value: PlainValue, path: readonly string[]): PlainValue {
  return path.reduce<PlainValue>((below, key) => (isPlainObject(below) ? (below[key] ?? null) : null), value);
}

const inline = (value: PlainValue) => dump(value, { flowLevel: 0, lineWidth: -1 }).trimEnd();
