import { existsSync } from 'node:fs';
import { register } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, LavisError, messageOf } from '../common/errors.js';
import { packageRoot } from '../common/paths.js';

const loaded = new Set<string>();

/** The modules that this process has run, absolute: worker threads run them again. */
export const loadedPlugins = (): string[] => [...loaded];

/**
 * Runs a user's module, which registers its classes. A module runs once, however often it is named.
 * @throws ConfigError when it is missing or fails while loading.
 */
export async function loadPlugin(path: string): Promise<void> {
  const file = resolve(path);
  if (!existsSync(file)) {
    throw new ConfigError(`there is no plug-in ${path}`, {
      where: file,
      allowed: 'a JavaScript module that registers classes with lavis',
    });
  }
  shareLavis();
  try {
    await import(pathToFileURL(file).href);
    loaded.add(file);
  } catch (cause) {
    if (cause instanceof LavisError) throw cause;
    throw new ConfigError(`the plug-in ${path} failed while loading: ${messageOf(cause)}`, {
      where: placeOf(cause, file),
      help: 'LAVIS_DEBUG=1 shows the stack',
      cause,
    });
  }
}

let shared = false;

/** Lets `import … from 'lavis'` in a plug-in mean this running package, wherever the plug-in lies. */
function shareLavis(): void {
  if (shared) return;
  shared = true;
  const door = JSON.stringify(pathToFileURL(join(packageRoot, 'dist', 'index.js')).href);
  const hook = `export const resolve = async (name, context, next) =>
    name === 'lavis' ? { url: ${door}, shortCircuit: true } : next(name, context);`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
}

function placeOf(cause: unknown, file: string): string {
  const stack = cause instanceof Error ? (cause.stack ?? '') : '';
  const line = stack.split('\n').find((text) => text.includes(pathToFileURL(file).href));
  const position = /:(\d+:\d+)\)?$/.exec(line ?? '')?.[1];
  return position ? `${file}:${position}` : file;
}
