import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isHidden } from '../../../processors/index.js';

/**
 * The files that a pattern names: `{000..999}` counts with its leading zeros, `{a,b}` lists, `*` in the
 * last part matches what is there, sorted.
 */
export function shardPaths(pattern: string): string[] {
  return expandBraces(pattern).flatMap(matching);
}

function expandBraces(pattern: string): string[] {
  const braces = /\{([^{}]*)\}/.exec(pattern);
  if (!braces) return [pattern];
  const [before, after] = [pattern.slice(0, braces.index), pattern.slice(braces.index + braces[0].length)];
  return choices(braces[1]).flatMap((choice) => expandBraces(before + choice + after));
}

function choices(inside: string): string[] {
  const range = /^(\d+)\.\.(\d+)$/.exec(inside);
  if (!range) return inside.split(',');
  const [first, last] = [Number(range[1]), Number(range[2])];
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) =>
    String(first + i).padStart(range[1].length, '0'),
  );
}

function matching(path: string): string[] {
  if (!basename(path).includes('*')) return [path];
  const folder = dirname(path);
  if (!existsSync(folder)) return [];
  const wanted = basename(path).split('*').map(escapeRegExp).join('.*');
  const pattern = new RegExp(`^${wanted}$`);
  // As in a shell: `*` does not match what is hidden, such as macOS's ._0000.tar.
  const names = readdirSync(folder).filter(
    (name) => pattern.test(name) && (!isHidden(name) || basename(path).startsWith('.')),
  );
  return names.sort().map((name) => join(folder, name));
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
