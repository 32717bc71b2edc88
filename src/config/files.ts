import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { ConfigError, explainSystemError } from '../common/errors.js';
import { packageRoot, resolveFile } from '../common/paths.js';
import { nearest } from '../common/suggest.js';
import { decodeText, type TextKind } from '../common/text_file.js';

const KIND: TextKind = { what: 'the configuration file', Fault: ConfigError };

/** The text of a configuration file. @throws ConfigError that names the files that come nearest. */
export function readConfigFile(path: string): { text: string; path: string; shown: string } {
  const resolved = resolveFile(path);
  const shown = shownPath(resolved);
  try {
    return { text: decodeText(readFileSync(resolved), shown, KIND), path: resolved, shown };
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw missingFile(path, resolved, cause);
    if (code === 'EISDIR') {
      const inside = yamlFiles(resolved).map(shownPath);
      throw new ConfigError(`${path} is a folder, not a configuration file`, {
        help: inside.length ? `it holds ${inside.slice(0, 8).join(', ')}` : undefined,
        cause,
      });
    }
    throw new ConfigError(`cannot read the configuration file ${path}`, {
      where: resolved,
      found: explainSystemError(cause),
      cause,
    });
  }
}

/** As a user in this working directory would type it. */
function shownPath(path: string): string {
  const here = relative(process.cwd(), path);
  return here.startsWith('..') ? path : here;
}

function missingFile(typed: string, resolved: string, cause: unknown): ConfigError {
  const folders = [dirname(resolved), join(packageRoot, 'projects'), resolve('projects'), resolve('.')];
  const found = [...new Set(folders)].flatMap((folder) => yamlFiles(folder, folder.endsWith('projects')));
  const candidates = [...new Set(found.map(shownPath))];
  const byName = new Map(candidates.map((path) => [path.split(/[\\/]/).at(-1)!, path]));
  const close = nearest(typed.split(/[\\/]/).at(-1)!, byName.keys()).map((name) => byName.get(name)!);
  const offered = close.length ? close : candidates.slice(0, 6);
  return new ConfigError(`there is no configuration file ${typed}`, {
    where: resolved,
    help: offered.length ? `the nearest there are: ${offered.join(', ')}` : undefined,
    cause,
  });
}

function yamlFiles(folder: string, recursive = false): string[] {
  try {
    return readdirSync(folder, { recursive, encoding: 'utf8' })
      .filter((name) => /\.ya?ml$/.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
