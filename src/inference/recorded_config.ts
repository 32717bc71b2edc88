import { dictMember, openCheckpoint } from '../checkpoint/index.js';
import { isPlainObject, type PlainObject } from '../config/index.js';

/** The configuration that runs, LAVIS's too, write into their checkpoints; undefined where there is none. */
export async function recordedConfig(path: string): Promise<PlainObject | undefined> {
  const checkpoint = await openCheckpoint(path);
  try {
    const config = dictMember(checkpoint.root, 'config');
    return isPlainObject(config) && isPlainObject(config.model) ? config : undefined;
  } finally {
    await checkpoint.close();
  }
}

/** A table inside of others; an empty one where it is not there. */
export function tableAt(value: unknown, ...keys: string[]): PlainObject {
  const inner = keys.reduce<unknown>((at, key) => (isPlainObject(at) ? at[key] : undefined), value);
  return isPlainObject(inner) ? inner : {};
}
