import {
  apostrophe,
  asciiDigit,
  blankOrNewline,
  char,
  digit,
  either,
  many,
  maybe,
  type Pattern,
  type Rule,
  seq,
  some,
  text,
  times,
  withBracketNames,
  withHardSpaces,
  withoutSoftHyphens,
} from './pattern.js';

const dateSeparator = char(/[-/]/);
export const date: Rule = {
  match: seq(times(digit, 1, 2), dateSeparator, times(digit, 1, 2), dateSeparator, times(digit, 2, 4)),
};

/** 7, -7, 1,000.50, 10:30, .5 */
export const number: Rule = {
  match: seq(
    maybe(char(/[-+]/)),
    either(some(digit), seq(many(digit), some(seq(char(/[.:,\u00AD\u066B\u066C]/), some(digit))))),
  ),
  token: withoutSoftHyphens,
};

export const superscript: Rule = {
  match: seq(
    maybe(char(/[\u207A\u207B\u208A\u208B]/)),
    either(some(char(/[\u2070\u00B9\u00B2\u00B3\u2074-\u2079]/)), some(char(/[\u2080-\u2089]/))),
  ),
};

const upToFour = times(digit, 1, 4);
const slash = either(seq(maybe(text('\\')), text('/')), text('\u2044'));
/** 1/2, 1-1/2, 1 1/2 */
export const fraction: Rule = {
  match: seq(maybe(seq(upToFour, char(/[- \u00A0]/))), upToFour, slash, upToFour),
  token: withHardSpaces,
};

const SPELLED: Record<string, string> = {
  '\u00BC': '1/4',
  '\u00BD': '1/2',
  '\u00BE': '3/4',
  '\u2153': '1/3',
  '\u2154': '2/3',
};
export const fractionSign: Rule = {
  match: char(/[\u00BC-\u00BE\u2153-\u215E]/),
  token: (t) => SPELLED[t] ?? t,
};

export const dollar: Rule = { match: either(seq(many(char(/[A-Z]/)), text('$')), text('#')) };

/** The Treebank knows dollars, cents and # for pounds; other currencies become dollars or stay. */
export const currency: Rule = {
  match: char(/[\u00A2-\u00A5\u0080\u20A0\u20A4\u20AC\u060B\u0E3F\uFFE0\uFFE1\uFFE5\uFFE6]/),
  token: (t) => {
    if (t === '\u00A2') return 'cents';
    if (t === '\u00A3') return '#';
    return /[\u0080\u00A4\u20A0\u20AC]/.test(t) ? '$' : t;
  },
};

const digits = (low: number, high: number): Pattern => times(asciiDigit, low, high);
const gap = char(/[- \u00A0]/);
const international = maybe(either(text('+'), text('++')));
export const phone: Rule = {
  match: either(
    seq(
      either(
        seq(text('('), digits(2, 3), text(')'), maybe(char(/[ \u00A0]/))),
        seq(international, maybe(seq(digits(2, 4), gap)), digits(2, 4), gap),
      ),
      digits(3, 4),
      maybe(gap),
      digits(3, 5),
    ),
    seq(
      maybe(seq(international, digits(2, 4), text('.'))),
      digits(2, 4),
      text('.'),
      digits(3, 4),
      text('.'),
      digits(3, 5),
    ),
  ),
  token: (t) => withBracketNames(withHardSpaces(t)),
};

/** '84 */
export const shortYear: Rule = { match: seq(apostrophe, digits(2, 2)), before: blankOrNewline };
