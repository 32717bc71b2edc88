import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';

/** The folder that holds package.json, configs/ and projects/, wherever the package is installed. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** `~` and `~/x` as the shell reads them. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

/**
 * Where downloads live: LAVIS_CACHE_ROOT, then `env.cache_root` of configs/default.yaml, then ~/.cache/lavis.
 */
export function cacheRoot(): string {
  const chosen = process.env.LAVIS_CACHE_ROOT || (machineCacheRoot ??= defaultCacheRoot());
  return resolve(expandHome(chosen));
}

let machineCacheRoot: string | undefined;

/** What of configs/default.yaml decides where files lie. */
type MachineDefaults = { env?: { cache_root?: string } } | undefined;

function defaultCacheRoot(): string {
  const file = join(packageRoot, 'configs', 'default.yaml');
  const defaults = existsSync(file) ? (load(readFileSync(file, 'utf8')) as MachineDefaults) : undefined;
  return defaults?.env?.cache_root ?? '~/.cache/lavis';
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

/** The version of this package. */
export const version = (): string =>
  (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
