import { z } from 'zod';
import type { Kind, Registry } from '../../common/registry.js';
import type { HasSchema } from './key.js';
import { launchSchema } from './run.js';

/** The keys that a registered class takes; undefined where it does not say. */
export function schemaOf(registry: Registry, kind: Kind, name: string): z.ZodObject | undefined {
  return registry.has(kind, name) ? (registry.get(kind, name) as HasSchema).configSchema : undefined;
}

/** Classes that a `run` section chooses, and the key that chooses each. */
export const RUN_CLASSES = [
  ['task', 'task'],
  ['runner', 'runner'],
  ['lr_sched', 'lrScheduler'],
] as const satisfies readonly (readonly [key: string, kind: Kind])[];

/**
 * The keys of `run`: those of the launch, of every registered runner, task and scheduler, and where classes
 * differ about a key, what the chosen ones say. Unknown keys pass when a chosen class does not say its keys.
 */
export function runSchema(registry: Registry, chosen: Partial<Record<string, unknown>> = {}): z.ZodObject {
  const shape: Record<string, z.ZodType> = { ...launchSchema.shape };
  let open = false;
  for (const [, kind] of RUN_CLASSES) {
    for (const name of registry.list(kind)) Object.assign(shape, schemaOf(registry, kind, name)?.shape);
  }
  for (const [key, kind] of RUN_CLASSES) {
    const name = chosen[key];
    if (typeof name !== 'string' || !registry.has(kind, name)) continue;
    const schema = schemaOf(registry, kind, name);
    if (schema) Object.assign(shape, schema.shape);
    else open = true;
  }
  return open ? z.looseObject(shape) : z.strictObject(shape);
}
