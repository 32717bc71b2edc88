import type { Pattern } from './pattern.js';

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
