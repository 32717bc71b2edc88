import { ConfigError } from '../common/errors.js';
import { didYouMean } from '../common/suggest.js';
import type { ProcessorSection } from './base.js';

/** How one key is read: null, as absent, stands for the default. */
export interface Key<T> {
  readonly expected: string;
  readonly fallback: T;
  accepts(value: unknown): value is T;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

export const text = (fallback: string): Key<string> => ({
  expected: 'a string',
  fallback,
  accepts: (value) => typeof value === 'string',
});

export const count = (fallback: number): Key<number> => ({
  expected: 'a whole number from 1',
  fallback,
  accepts: (value): value is number => Number.isInteger(value) && (value as number) >= 1,
});

/** A part of a whole: above 0, at most 1. */
export const fraction = (fallback: number): Key<number> => ({
  expected: 'a number above 0, at most 1',
  fallback,
  accepts: (value): value is number => isNumber(value) && value > 0 && value <= 1,
});

export type Triple = readonly [number, number, number];

/** One number a colour channel. */
export const triple = (fallback: Triple, { positive = false } = {}): Key<Triple> => ({
  expected: `three ${positive ? 'numbers above 0' : 'numbers'}: red, green, blue`,
  fallback,
  accepts: (value): value is Triple =>
    Array.isArray(value) && value.length === 3 && value.every((v) => isNumber(v) && (!positive || v > 0)),
});

type Values<K> = { [P in keyof K]: K[P] extends Key<infer T> ? T : never };

/**
 * The keys of a processor's section, checked.
 * @throws ConfigError that lists every wrong key and value at once.
 */
export function readSection<K extends Record<string, Key<unknown>>>(
  processor: string,
  section: ProcessorSection | undefined,
  keys: K,
): Values<K> {
  const given = section ?? {};
  const known = [...Object.keys(keys), 'name'];
  const problems = Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => [`'${key}' is no key of ${processor}`, didYouMean(key, known)].filter(Boolean).join('; '));
  const values: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(keys)) {
    const value = given[name] ?? key.fallback;
    if (!key.accepts(value)) problems.push(`${name}: ${JSON.stringify(value)}, expected ${key.expected}`);
    values[name] = value;
  }
  if (problems.length > 0) {
    throw new ConfigError(`the processor ${processor} cannot be set up`, {
      found: problems.join('\n'),
      allowed: known.join(', '),
    });
  }
  return values as Values<K>;
}
