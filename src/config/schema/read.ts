import { z } from 'zod';
import { ConfigError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { didYouMean } from '../../common/suggest.js';
import { inWords, schemaAt, toJsonSchema } from './describe.js';

export interface ReadOptions {
  /** A Config has refused unknown keys already, with their places: here they may be a warning. */
  unknown?: 'refuse' | 'warn';
}

/**
 * A section's keys with their defaults filled in.
 * @param what names the section's owner, as in "blip_image_eval".
 * @throws ConfigError that lists every unknown key and wrong value at once.
 */
export function readSection<S extends z.ZodObject>(
  what: string,
  schema: S,
  section: unknown,
  { unknown = 'refuse' }: ReadOptions = {},
): z.output<S> {
  const known = Object.keys(schema.shape);
  const unknownKeys = (keys: readonly string[]) =>
    keys.map((key) => [`'${key}' is no key of ${what}`, didYouMean(key, known)].filter(Boolean).join('; '));
  if (unknown === 'warn') {
    const extra = Object.keys(section ?? {}).filter((key) => !known.includes(key));
    for (const said of unknownKeys(extra)) log.warn(said);
  }
  const result = (unknown === 'warn' ? z.object(schema.shape) : schema).safeParse(section ?? {});
  if (result.success) return result.data as z.output<S>;
  const json = toJsonSchema(schema);
  const problems = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys);
    const expected = schemaAt(json, issue.path);
    const value = issue.path.reduce<unknown>(
      (at, step) => (at as Record<PropertyKey, unknown>)?.[step],
      section,
    );
    const allowed = expected ? inWords(expected) : issue.message;
    return [`${issue.path.join('.')}: ${JSON.stringify(value)}, expected ${allowed}`];
  });
  throw new ConfigError(`${what} cannot be set up`, {
    found: problems.join('\n'),
    allowed: known.join(', '),
  });
}
