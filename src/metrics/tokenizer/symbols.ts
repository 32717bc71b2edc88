import {
  apostrophe,
  blanks,
  char,
  either,
  maybe,
  newline,
  oneOf,
  type Pattern,
  type Rule,
  seq,
  some,
  text,
  times,
  withBracketNames,
  withLatexQuotes,
} from './pattern.js';

const constant = (match: Pattern, token: string): Rule => ({ match, token: () => token });

export const languages: Rule[] = [{ match: text('c++') }, { match: seq(oneOf('c f'), text('#')) }];

/** En and em dashes. */
export const dash = constant(
  either(seq(text('&'), oneOf('MD mdash ndash'), text(';')), char(/[\u0096\u0097\u2013-\u2015]/)),
  '--',
);

const doubleQuote = either(text('"'), text('&quot;'));
export const doubleQuotes: Rule[] = [
  { match: doubleQuote, before: char(/[A-Za-z0-9$]/), token: withLatexQuotes(true) },
  { match: doubleQuote, token: withLatexQuotes(false) },
];
export const openingQuote: Rule = {
  match: text("'"),
  before: seq(char(/[A-Za-z]/), char(/[^ \t\n\r\u00A0]/)),
  token: withLatexQuotes(true),
};
export const closingQuotes: Rule = {
  match: either(
    apostrophe,
    text("''"),
    times(char(/[`\u2018-\u201C\u201D\u0091-\u0094\u201E\u201F\u2039\u203A\u00AB\u00BB]/), 1, 2),
  ),
  token: withLatexQuotes(false),
};

export const lessAndGreater: Rule[] = [
  constant(either(text('<'), text('&lt;')), '<'),
  constant(either(text('>'), text('&gt;')), '>'),
];
export const doubleAngles: Rule = { match: either(text('<<'), text('>>')) };

const face = char(/[-^x=~<>']/);
export const smileys: Rule[] = [
  {
    match: seq(maybe(char(/[<>]/)), char(/[:;=]/), maybe(char(/[-o*']/)), char(/[()DPdpO\\{@|[\]]/)),
    before: char(/[^A-Za-z0-9]/),
    token: withBracketNames,
  },
  {
    match: either(
      seq(face, text('_'), face),
      seq(text('('), face, maybe(char(/[_.]/)), face, text(')')),
      seq(text('('), char(/[\^x=~<>']/), text('-'), char(/[\^x=~<>'`]/), text(')')),
    ),
    token: withBracketNames,
  },
];

export const brackets: Rule[] = [
  constant(text('{'), '-LCB-'),
  constant(text('}'), '-RCB-'),
  constant(text('['), '-LSB-'),
  constant(text(']'), '-RSB-'),
  constant(text('('), '-LRB-'),
  constant(text(')'), '-RRB-'),
];

export const hyphens: Rule = {
  match: some(text('-')),
  token: (t) => (t.length === 3 || t.length === 4 ? '--' : t),
};
export const ellipsis = constant(
  either(
    times(text('.'), 3, 5),
    seq(times(seq(text('.'), char(/[ \u00A0]/)), 2, 4), text('.')),
    char(/[\u0085\u2026]/),
  ),
  '...',
);

export const insideSentence = char(/[,;:\u3001]/);
export const marks: Rule[] = [
  { match: either(some(text('@')), some(text('#')), some(text('_'))) },
  { match: either(some(text('*')), times(text('\\*'), 1, 3)) },
  { match: insideSentence },
  { match: some(char(/[?!]/)) },
  { match: char(/[.\u00A1\u00BF\u037E\u0589\u061F\u06D4\u0700-\u0702\u07FA\u3002]/) },
  { match: char(/[=/]/) },
];

/** Symbols that stand alone, mathematical and miscellaneous ones up to U+2BFF among them. */
export const symbol: Rule = {
  match: either(
    char(/[+%&~^|\\\u00A6-\u00A9\u00AC\u00AE-\u00BA\u00D7\u00F7\u0387\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4]/),
    char(/[\u0600-\u0603\u0606-\u060A\u060C\u0614\u061B\u061E\u066A\u066D\u0703-\u070D\u07F6-\u07F8]/),
    char(/[\u0964\u0965\u0E4F\u1FBD\u2016\u2017\u2020-\u2023\u2030-\u2038\u203B\u203E-\u2042\u2044]/),
    char(/[\u207A-\u207F\u208A-\u208E\u2100-\u214F\u2190-\u2BFF\u3012\u30FB\uFF01-\uFF0F\uFF1A-\uFF20]/),
    char(/[\uFF3B-\uFF40\uFF5B-\uFF65]/),
  ),
};

export const nothing: Rule = {
  match: either(char(/[\0\u007F\u200B\u200E\u200F\uFEFF]/), blanks, text('&nbsp;')),
  token: () => null,
};
export const lineEnd: Rule = { match: newline, token: () => null };
