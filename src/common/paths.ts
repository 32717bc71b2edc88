import { isUtf8 } from 'node:buffer';
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

/**
 * A path's bytes as text. Those that are not UTF-8 (an old archive's Latin-1 names) become lone surrogates, as
 * Python's surrogateescape has it, so that `fileSystemPath` finds the file again.
 */
export function pathText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => at + n <= bytes.length && isUtf8(bytes.subarray(at, at + n)));
    text += length ? bytes.toString('utf8', at, at + length) : String.fromCharCode(0xdc00 + bytes[at]);
    at += length ?? 1;
  }
  return text;
}

const LONE_SURROGATE = /(?<![\ud800-\udbff])[\udc80-\udcff]/;

/** What the file system takes for a path that `pathText` may have made. */
export function fileSystemPath(path: string): string | Buffer {
  if (!LONE_SURROGATE.test(path)) return path;
  const parts = [...path].map((character) => {
    const code = character.charCodeAt(0);
    return character.length === 1 && code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : character;
  });
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

/** The name as a command line hands it over, where bytes that are not UTF-8 have become U+FFFD. */
export const lossyText = (path: string): string => fileSystemPath(path).toString('utf8');
