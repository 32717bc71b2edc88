import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { dictMember, openCheckpoint } from '../checkpoint/index.js';
import { isPlainObject, type PlainObject } from '../config/index.js';
import { modelSectionOf } from '../models/index.js';

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

/** What the config.json of a folder of Hugging Face's says; undefined where there is none. @param path the folder, or its weights */
export async function configBeside(path: string): Promise<PlainObject | undefined> {
  const folder = statSync(path).isDirectory() ? path : dirname(path);
  const model = await modelSectionOf(folder);
  if (!model) return undefined;
  const image = { name: 'blip_image_eval', image_size: model.image_size };
  return { model, preprocess: { vis_processor: { train: image, eval: image } } };
}

/** A table inside of others; an empty one where it is not there. */
export function tableAt(value: unknown, ...keys: string[]): PlainObject {
  const inner = keys.reduce<unknown>((at, key) => (isPlainObject(at) ? at[key] : undefined), value);
  return isPlainObject(inner) ? inner : {};
}
