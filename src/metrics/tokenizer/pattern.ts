/**
 * Regular patterns as functions that lay themselves into a nondeterministic automaton, back to front: a
 * pattern gets the state that follows it and returns the state where it starts.
 */
export type Pattern = (states: State[], next: number) => number;

/** Either consumes one UTF-16 unit, branches without consuming, or accepts. */
export type State =
  | { readonly kind: 'consume'; readonly set: CharSet; readonly next: number }
  | { readonly kind: 'branch'; readonly targets: readonly number[] }
  | { readonly kind: 'accept'; readonly rule: number };

/** A set of UTF-16 units, given as a regular expression that matches one character. */
export type CharSet = RegExp;

export function add(states: State[], state: State): number {
  return states.push(state) - 1;
}

/** One character of a set: `char(/[a-z]/)`. */
export const char =
  (set: CharSet): Pattern =>
  (states, next) =>
    add(states, { kind: 'consume', set, next });

/** This text, in either case of each letter. */
export const text = (wanted: string): Pattern => seq(...Array.from(wanted, (c) => char(caseless(c))));

function caseless(c: string): CharSet {
  const escaped = c.replace(/[\\\]^-]/, '\\$&');
  return c.toLowerCase() === c.toUpperCase()
    ? new RegExp(`[${escaped}]`)
    : new RegExp(`[${c.toLowerCase()}${c.toUpperCase()}]`);
}

/** One of these words, separated by blanks in `words`, in either case. */
export const oneOf = (words: string): Pattern => either(...words.trim().split(/\s+/).map(text));

export const seq =
  (...parts: Pattern[]): Pattern =>
  (states, next) =>
    parts.reduceRight((following, part) => part(states, following), next);

export const either =
  (...options: Pattern[]): Pattern =>
  (states, next) =>
    add(states, { kind: 'branch', targets: options.map((option) => option(states, next)) });

export const maybe =
  (part: Pattern): Pattern =>
  (states, next) =>
    add(states, { kind: 'branch', targets: [part(states, next), next] });

/** Any number of times, none included. */
export const many =
  (part: Pattern): Pattern =>
  (states, next) => {
    const targets: number[] = [next];
    const loop = add(states, { kind: 'branch', targets });
    targets.unshift(part(states, loop));
    return loop;
  };

/** Once or more. */
export const some = (part: Pattern): Pattern => seq(part, many(part));

/** From `low` to `high` times. */
export const times = (part: Pattern, low: number, high: number): Pattern => {
  let optional: Pattern = (_states, next) => next;
  for (let i = low; i < high; i++) optional = maybe(seq(part, optional));
  return seq(...Array.from({ length: low }, () => part), optional);
};
