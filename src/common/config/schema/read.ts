import type { z } from 'zod';
import { ConfigError } from '../../errors.js';
import { didYouMean } from '../../suggest.js';
import { inWords, schemaAt, toJsonSchema } from './describe.js';

/**
 * A section's keys with their defaults filled in.
 * @param what names the section's owner, as in "the processor blip_caption".
 * @throws ConfigError that lists every unknown key and wrong value at once.
 */
export function readSection<S extends z.ZodObject>(what: string, schema: S, section: unknown): z.output<S> {
  const result = schema.safeParse(section ?? {});
  if (result.success) return result.data;
  const json = toJsonSchema(schema);
  const known = Object.keys(schema.shape);
  const problems = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) =>
        [`'${key}' is no key of ${what}`, didYouMean(key, known)].filter(Boolean).join('; '),
      );
    }
    const expected = schemaAt(json, issue.path);
    const value = issue.path.reduce<unknown>(
      (at, step) => (at as Record<PropertyKey, unknown>)?.[step],
      section,
    );
    return `${issue.path.join('.')}: ${JSON.stringify(value)}, expected ${expected ? inWords(expected) : issue.message}`;
  });
  throw new ConfigError(`${what} cannot be set up`, {
    found: problems.join('\n'),
    allowed: known.join(', '),
  });
}
