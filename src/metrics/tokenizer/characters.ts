import { char, either, many, oneOf, type Pattern, seq, some, text } from './pattern.js';

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
