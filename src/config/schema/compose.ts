import { z } from 'zod';
import type { Kind, Registry } from '../../common/registry.js';
import { isPlainObject, type PlainObject, type PlainValue } from '../tree.js';
import type { Conflict, HasSchema } from './key.js';
import { launchSchema } from './launch.js';

/** The keys that a registered class takes; undefined where it does not say. */
export function schemaOf(registry: Registry, kind: Kind, name: string): z.ZodObject | undefined {
  return registry.has(kind, name) ? (registry.get(kind, name) as HasSchema).configSchema : undefined;
}

/** Classes that a `run` section chooses: the key that chooses each, and how people call the class. */
export const RUN_CLASSES = [
  ['task', 'task', 'the task'],
  ['runner', 'runner', 'the runner'],
  ['lr_sched', 'lrScheduler', 'the schedule'],
] as const satisfies readonly (readonly [key: string, kind: Kind, called: string])[];

const EVERY = Symbol('every class');
/** Chooses no class: the keys of all. */
export const EVERY_CLASS: Chosen = Object.fromEntries(RUN_CLASSES.map(([key]) => [key, EVERY]));

type Chosen = Partial<Record<string, unknown>>;

/**
 * The keys of `run`: those of the launch and of the task, runner, scheduler and hooks that the section chooses. Where
 * it names none and there is no default, those of every class. Unknown keys pass when a chosen class does not
 * say its keys.
 */
export function runSchema(registry: Registry, chosen: Chosen = {}): z.ZodObject {
  const shape: Record<string, z.ZodType> = { ...launchSchema.shape };
  let open = false;
  for (const [key, kind] of RUN_CLASSES) {
    const name = chosenName(registry, key, kind, chosen);
    const schemas = (name ? [name] : registry.list(kind)).map((each) => schemaOf(registry, kind, each));
    for (const schema of schemas) Object.assign(shape, schema?.shape);
    if (name && !schemas[0]) open = true;
  }
  for (const { name } of hooksOf(chosen.hooks)) Object.assign(shape, schemaOf(registry, 'hook', name)?.shape);
  return open ? z.looseObject(shape) : z.strictObject(shape);
}

/** Values of `run` that do not go together, as the task, runner and scheduler that it chooses say. */
export function conflictsIn(registry: Registry, run: Chosen): Conflict[] {
  return RUN_CLASSES.flatMap(([key, kind]) => {
    const name = chosenName(registry, key, kind, run);
    return (name && (registry.get(kind, name) as HasSchema).conflictsIn?.(run)) || [];
  });
}

/** Keys of `run` that only other classes than this one have. */
export function foreignKeys(registry: Registry, chooser: string, name: string): string[] {
  const all = Object.keys(runSchema(registry, EVERY_CLASS).shape);
  const known = new Set(Object.keys(runSchema(registry, { ...EVERY_CLASS, [chooser]: name }).shape));
  return all.filter((key) => !known.has(key));
}

/** A key of `run` that belongs to other classes than the section chooses. */
export interface ForeignKey {
  /** The key that chooses the class, `task`, and how the class is called, `the task`. */
  chooser: string;
  called: string;
  chosen: string;
  /** The classes that have the key. */
  owners: string[];
}

/** Whose key it is, where classes that were not chosen have it. */
export function ownersOf(registry: Registry, key: string, chosen: Chosen): ForeignKey | undefined {
  for (const [chooser, kind, called] of RUN_CLASSES) {
    const has = (name: string) => Object.hasOwn(schemaOf(registry, kind, name)?.shape ?? {}, key);
    const owners = registry.list(kind).filter(has);
    const name = chosenName(registry, chooser, kind, chosen);
    if (owners.length > 0 && name) return { chooser, called, chosen: name, owners };
  }
  return undefined;
}

/** A hook as `run.hooks` names it: `csv`, or `{ csv: { file: scores.csv } }`. */
export interface NamedHook {
  name: string;
  options: PlainObject;
  /** Where the options stand, below the list. */
  path: string[];
}

/** The hooks of a list, in its order; what is not one is left out. */
export const hooksOf = (list: unknown): NamedHook[] =>
  Array.isArray(list) ? list.flatMap((entry, i) => hookOf(entry, String(i)) ?? []) : [];

function hookOf(entry: unknown, place: string): NamedHook | undefined {
  if (typeof entry === 'string') return { name: entry, options: {}, path: [place] };
  const [named, ...more] = isPlainObject(entry as PlainValue) ? Object.entries(entry as PlainObject) : [];
  if (!named || more.length > 0) return undefined;
  const [name, options] = named;
  return { name, options: (options ?? {}) as PlainObject, path: [place, name] };
}

/** The registered class that a section names, or that its key has for a default. */
function chosenName(registry: Registry, key: string, kind: Kind, chosen: Chosen): string | undefined {
  const named = chosen[key];
  const name = named === EVERY ? undefined : (named ?? runDefault(key));
  return typeof name === 'string' && registry.has(kind, name) ? name : undefined;
}

/** What `run.runner` and `run.lr_sched` are where a YAML does not say. */
export const runDefault = (key: string): string | undefined => DEFAULTS[key];
const DEFAULTS: Readonly<Record<string, string>> = { runner: 'runner_base', lr_sched: 'constant_lr' };
