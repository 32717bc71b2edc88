import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError, LavisError, messageOf } from '../errors.js';

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
  try {
    await import(pathToFileURL(file).href);
  } catch (cause) {
    if (cause instanceof LavisError) throw cause;
    throw new ConfigError(`the plug-in ${path} failed while loading: ${messageOf(cause)}`, {
      where: placeOf(cause, file),
      help: 'LAVIS_DEBUG=1 shows the stack',
      cause,
    });
  }
}

function placeOf(cause: unknown, file: string): string {
  const stack = cause instanceof Error ? (cause.stack ?? '') : '';
  const line = stack.split('\n').find((text) => text.includes(pathToFileURL(file).href));
  return /:(\d+:\d+)\)?$/.exec(line ?? '')?.[1] ? `${file}:${/:(\d+:\d+)\)?$/.exec(line!)![1]}` : file;
}
