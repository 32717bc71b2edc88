import type { z } from 'zod';
import { didYouMean } from '../../common/suggest.js';
import { RUN_CLASSES } from '../schema/compose.js';
import { alternatives, inWords, type JsonSchema, schemaAt, toJsonSchema } from '../schema/describe.js';
import { findTree, isPlainObject, type PlainValue } from '../tree.js';
import { type Faults, found } from './faults.js';
import { hintFor } from './hints.js';

/** Compares a section with the keys of its class; a class that does not say its keys takes any. */
export function checkSection(
  faults: Faults,
  path: readonly string[],
  section: PlainValue,
  schema: z.ZodObject | undefined,
): void {
  const result = schema?.safeParse(section);
  if (!schema || !result || result.success) return;
  const json = toJsonSchema(schema);
  for (const issue of innermost(result.error.issues)) {
    const at = [...path, ...issue.path.map(String)];
    const expected = schemaAt(json, issue.path);
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) faults.addUnknown([...at, key], keysOf(expected));
      continue;
    }
    const value = valueAt(section, issue.path);
    const allowed = expected ? inWords(expected) : issue.message;
    if (value === undefined) addMissing(faults, at, allowed);
    else addWrong(faults, at, value, allowed, expected);
  }
}

function addMissing(faults: Faults, path: readonly string[], allowed: string): void {
  const chooses = RUN_CLASSES.find(([key]) => path.length === 2 && path[0] === 'run' && path[1] === key);
  const names = chooses && faults.registry.list(chooses[1]).join(', ');
  faults.add(path, `${path.join('.')} is missing`, { allowed: names ?? allowed });
}

function addWrong(
  faults: Faults,
  path: readonly string[],
  value: PlainValue,
  allowed: string,
  expected: JsonSchema | undefined,
): void {
  const names = expected ? alternatives(expected).flatMap((option) => option.enum?.map(String) ?? []) : [];
  const tree = findTree(faults.tree, path);
  const close = typeof value === 'string' ? didYouMean(value, names) : '';
  faults.add(path, `${path.join('.')} has a value that is not allowed`, {
    found: found(value, { close, tree }),
    allowed,
    help: close ? undefined : hintFor({ key: path.at(-1)!, value, tree, expected }),
  });
}

const keysOf = (json: JsonSchema | undefined) =>
  json ? alternatives(json).flatMap(({ properties }) => Object.keys(properties ?? {})) : [];

type Issue = z.core.$ZodIssue;

/** An alternative that fails deep inside is told there, not as "none of the alternatives". */
function innermost(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'invalid_union') return [issue];
    const deeper = issue.errors.filter((branch) => branch.some((inner) => inner.path.length > 0));
    if (deeper.length !== 1) return [issue];
    return innermost(deeper[0].map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })));
  });
}

function valueAt(value: PlainValue, path: readonly PropertyKey[]): PlainValue | undefined {
  return path.reduce<PlainValue | undefined>((below, step) => {
    if (Array.isArray(below)) return below[Number(step)];
    return isPlainObject(below) ? below[String(step)] : undefined;
  }, value);
}
