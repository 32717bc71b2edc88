import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { countedRange, globMatcher } from '../../../common/glob.js';

/**
 * The files that a pattern names: `{000..999}` counts with its leading zeros, `{a,b}` lists, and in the last part a
 * glob matches what is there, sorted. Braces name files whether they are there or not, so that a missing shard is
 * told: that is why they are not left to the glob.
 */
export function shardPaths(pattern: string): string[] {
  return expandBraces(pattern).flatMap(matching);
}

function expandBraces(pattern: string): string[] {
  const braces = /\{([^{}]*)\}/.exec(pattern);
  if (!braces) return [pattern];
  const [before, after] = [pattern.slice(0, braces.index), pattern.slice(braces.index + braces[0].length)];
  const range = /^(\d+)\.\.(\d+)$/.exec(braces[1]);
  const choices = (range && countedRange(range[1], range[2])) ?? braces[1].split(',');
  return choices.flatMap((choice) => expandBraces(before + choice + after));
}

function matching(path: string): string[] {
  if (!/[*?[]/.test(basename(path))) return [path];
  const folder = dirname(path);
  if (!existsSync(folder)) return [];
  // As in a shell, `*` does not match what is hidden, such as macOS's ._0000.tar.
  const matches = globMatcher(basename(path));
  const names = readdirSync(folder).filter((name) => matches(name));
  return names.sort().map((name) => join(folder, name));
}
