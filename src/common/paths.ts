import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTree } from './config/tree.js';
import { parseYaml } from './config/yaml.js';

/** The folder that holds package.json, configs/ and projects/, wherever the package is installed. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** `~` and `~/x` as the shell reads them. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

let configuredCacheRoot: string | undefined;

/** Sets the cache root for this process, above what configs/default.yaml says. */
export function setCacheRoot(path: string | undefined): void {
  configuredCacheRoot = path;
}

/**
 * Where downloads live: LAVIS_CACHE_ROOT, then what was set, then `env.cache_root` of configs/default.yaml,
 * then ~/.cache/lavis.
 */
export function cacheRoot(): string {
  const chosen =
    process.env.LAVIS_CACHE_ROOT || configuredCacheRoot || (machineCacheRoot ??= defaultCacheRoot());
  return resolve(expandHome(chosen));
}

let machineCacheRoot: string | undefined;

function defaultCacheRoot(): string {
  const file = join(packageRoot, 'configs', 'default.yaml');
  const tree = existsSync(file) ? parseYaml(readFileSync(file, 'utf8'), { kind: 'file', file }) : undefined;
  const root = tree && findTree(tree, ['env', 'cache_root']);
  return root?.kind === 'scalar' && typeof root.value === 'string' ? root.value : '~/.cache/lavis';
}

/** A `storage` path: absolute as it is, relative under the cache root. */
export function cachePath(path: string): string {
  const expanded = expandHome(path);
  return isAbsolute(expanded) ? expanded : join(cacheRoot(), expanded);
}

/** A file given by a user or by a default configuration: the working directory first, then the package. */
export function resolveFile(path: string): string {
  const expanded = expandHome(path);
  const here = resolve(expanded);
  if (isAbsolute(expanded) || existsSync(here)) return here;
  const packaged = join(packageRoot, expanded);
  return existsSync(packaged) ? packaged : here;
}
