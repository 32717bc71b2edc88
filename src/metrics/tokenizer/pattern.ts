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

export const digit = char(/[\p{Nd}\u07C0-\u07C9]/u);
export const asciiDigit = char(/[0-9]/);
export const asciiLetter = char(/[A-Za-z]/);
export const capital = char(/[A-Z]/);
/** Letters proper, without the marks and entities that `letter` adds. */
export const plainLetter = char(/\p{L}/u);
export const letterOrDigit = char(/[\p{L}\p{Nd}]/u);

/** Letters, their combining marks in the scripts up to Lao, soft hyphens, and entities as `&eacute;`. */
const marks = char(
  /(?=[\u00AD-\u0ECD])[\p{M}\u00AD\u0237-\u024F\u02C2-\u02C5\u02D2-\u02DF\u02E5-\u02FF\u0375\u0378\u0379\u0384\u0385\u03F6\u0559-\u055F\u06D6-\u06EF\u070F\u07F4\u07F5\u07FA]/u,
);
const entity = seq(text('&'), char(/[aeiouAEIOU]/), oneOf('acute grave uml'), text(';'));
export const letter: Pattern = either(plainLetter, marks, entity);

export const blank = char(/[ \t\u00A0\u2000-\u200A\u3000]/);
export const newline = either(text('\r\n'), char(/[\r\n\u2028\u2029\v\f\u0085]/));
export const blankOrNewline = either(blank, newline);
export const blanks = some(blank);

export const apostrophe = either(char(/['\u0092\u2019]/), text('&apos;'));
/** Apostrophes and the characters that people write in their place. */
export const anyApostrophe = either(apostrophe, char(/[`\u0091\u2018\u201B]/));

/** A word, which may hold full stops and marks between letters: `a.man` is one. */
const run = seq(letter, many(either(letter, digit)));
export const word = seq(run, many(seq(char(/[.!?]/), run)));

/** What the tokenizer does where a pattern is the longest that matches. */
export interface Rule {
  readonly match: Pattern;
  /** What has to follow; it counts for "the longest", and is read again afterwards. */
  readonly before?: Pattern;
  /** The token made of the matched text (the text itself when absent); null makes none. */
  readonly token?: (text: string) => string | null;
  /** How many characters at the end of the match are read again. */
  readonly giveBack?: number;
}

/** Soft hyphens only mark where a word may break. */
export const withoutSoftHyphens = (word: string) => word.replaceAll('\u00AD', '') || '-';

/** A token never holds a blank: "1 1/2" stays one token. */
export const withHardSpaces = (word: string) => word.replaceAll(' ', '\u00A0');

export const withBracketNames = (word: string) => word.replaceAll('(', '-LRB-').replaceAll(')', '-RRB-');

export const withPlainAmpersand = (word: string) => word.replace(/&amp;/gi, '&');

/** LaTeX quotes; a straight quote opens or closes as its surroundings tell, a curly one tells itself. */
export const withLatexQuotes = (opens: boolean) => (word: string) =>
  word
    .replace(/&apos;|'/g, opens ? '`' : "'")
    .replace(/"|&quot;/g, opens ? '``' : "''")
    .replace(/[\u0091\u2018\u201B\u2039]/g, '`')
    .replace(/[\u0092\u2019\u203A]/g, "'")
    .replace(/[\u0093\u201C\u00AB]/g, '``')
    .replace(/[\u0094\u201D\u00BB]/g, "''");
