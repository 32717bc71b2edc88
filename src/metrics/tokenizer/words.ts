import { acronym } from './abbreviations.js';
import {
  anyApostrophe,
  apostrophe,
  asciiLetter,
  capital,
  char,
  either,
  letterOrDigit,
  many,
  maybe,
  oneOf,
  type Pattern,
  plainLetter,
  type Rule,
  seq,
  some,
  text,
  times,
  withLatexQuotes,
  withoutSoftHyphens,
  withPlainAmpersand,
  word,
} from './pattern.js';
import { insideSentence } from './symbols.js';

/** 's, 'm, 'd, 're, 've, 'll */
const clitic = seq(apostrophe, either(char(/[msdMSD]/), oneOf('re ve ll')));
const not = seq(text('n'), anyApostrophe, text('t'));
const closes = withLatexQuotes(false);

const split = (words: string, giveBack: number): Rule => ({
  match: oneOf(words),
  token: (t) => t.slice(0, -giveBack),
  giveBack,
});
export const assimilations: Rule[] = [
  split('cannot', 3),
  split("'twas", 3),
  split("'tis", 2),
  split('gonna gotta lemme gimme wanna', 2),
];

export const wordBeforeClitic: Rule = { match: word, before: clitic, token: withoutSoftHyphens };
/** do|n't: what is left of the word never ends in n. */
export const wordBeforeNot: Rule = {
  match: seq(many(char(/[A-Za-z\u00AD]/)), char(/[A-MO-Za-mo-z]/), many(char(/\u00AD/))),
  before: not,
  token: withoutSoftHyphens,
};
export const plainWord: Rule = { match: word, token: withoutSoftHyphens };

const otherThanLetter = char(/[^A-Za-z]/);
export const clitics: Rule[] = [
  { match: clitic, before: otherThanLetter, token: closes },
  { match: not, before: otherThanLetter, token: closes },
];
export const cliticsAtTheEnd: Rule[] = [
  { match: clitic, token: closes },
  { match: not, token: closes },
];

const vowelOrY = char(/[aeiouyAEIOUY]/);
/** Words that hold an apostrophe: rock 'n' roll, ol', 'em, O'Brien, the '90s, s'mores. */
const withApostrophe: Pattern = either(
  seq(apostrophe, text('n'), maybe(apostrophe)),
  seq(either(char(/[lLdDjJ]/), oneOf('dunkin somethin ol')), apostrophe),
  seq(apostrophe, either(oneOf('em till til cause'), seq(char(/[2-9]/), text('0s')))),
  seq(char(/[A-HJ-XZn]/), anyApostrophe, plainLetter, some(plainLetter)),
  seq(some(plainLetter), vowelOrY, anyApostrophe, char(/[aeiouA-Z]/), many(plainLetter)),
  oneOf("cont'd cont'd. 'twas nor'easter c'mon e'er s'mores ev'ry li'l nat'l"),
  seq(text('o'), anyApostrophe, text('o')),
);
export const apostropheWords: Rule[] = [
  { match: withApostrophe },
  { match: seq(text('y'), apostrophe), before: plainLetter },
];

/** Spellings of the Treebank. */
export const treebankWords: Rule = {
  match: either(
    seq(text('-'), oneOf('RRB LRB RCB LCB RSB LSB'), text('-')),
    oneOf('C.D.s pro- anti- S&P-500 S&amp;P-500 S&Ls S&amp;Ls'),
    seq(text('cap'), apostrophe, text('n')),
    seq(text('c'), apostrophe, text('est')),
  ),
  token: withPlainAmpersand,
};

const hyphen = char(/[-_\u058A\u2010\u2011]/);
const asciiWord = char(/[A-Za-z0-9]/);

/** and/or, black/white, t-shirt/jeans */
export const slashed: Rule = {
  match: (() => {
    const part = seq(some(asciiWord), times(seq(text('-'), some(asciiLetter)), 0, 2));
    return seq(part, times(seq(maybe(text('\\')), text('/'), part), 1, 2));
  })(),
};

/** 3-piece, black-and-white, anti-U.S. */
const hyphenated = seq(
  asciiWord,
  many(char(/[A-Za-z0-9.,\u00AD]/)),
  some(seq(text('-'), either(some(char(/[A-Za-z0-9\u00AD]/)), seq(acronym, text('.'))))),
);
/** d'Angelo, snow_board, café-bar */
const compound = (() => {
  const part = seq(maybe(seq(char(/[dDoOlL]/), anyApostrophe, letterOrDigit)), some(letterOrDigit));
  return seq(part, many(seq(hyphen, part)));
})();
/** AT&T, B+W */
const joined = seq(some(capital), some(seq(either(char(/[+&]/), text('&amp;')), some(capital))));

const beforeComma = (match: Pattern): Pattern => seq(match, text('.'));
export const abbreviatedWord: Rule = {
  match: beforeComma(word),
  before: insideSentence,
  token: withoutSoftHyphens,
};
export const compounds: Rule[] = [
  { match: beforeComma(hyphenated), before: insideSentence, token: withoutSoftHyphens },
  { match: hyphenated, token: withoutSoftHyphens },
  { match: beforeComma(compound), before: insideSentence },
  { match: compound },
  { match: beforeComma(joined), before: insideSentence, token: withPlainAmpersand },
  { match: joined, token: withPlainAmpersand },
];
