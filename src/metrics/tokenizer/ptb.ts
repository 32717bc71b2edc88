import { Automaton } from './automaton.js';
import type { Rule } from './pattern.js';
import { type Pattern, seq } from './pattern.js';
import { rules } from './rules.js';

/** What pycocoevalcap drops; brackets are lower-cased before it looks, and so `-lrb-` stays. */
const PUNCTUATION = new Set([
  "''",
  "'",
  '``',
  '`',
  '-LRB-',
  '-RRB-',
  '-LCB-',
  '-RCB-',
  '.',
  '?',
  '!',
  ',',
  ':',
  '-',
  '--',
  '...',
  ';',
]);

class Lexer {
  readonly #rules: readonly Rule[];
  readonly #all: Automaton;
  /** Of the rules with a context: where the match may end, and where the context may. */
  readonly #contexts: ({ match: Automaton; before: Automaton } | undefined)[];

  constructor(list: readonly Rule[]) {
    this.#rules = list;
    this.#all = new Automaton(list.map((rule) => (rule.before ? seq(rule.match, rule.before) : rule.match)));
    const alone = (pattern: Pattern) => new Automaton([pattern]);
    this.#contexts = list.map(({ match, before }) =>
      before ? { match: alone(match), before: alone(before) } : undefined,
    );
  }

  /** The token that begins at `from` (null when none is made) and where reading goes on. */
  read(source: string, from: number): { token: string | null; end: number } {
    const longest = this.#all.longest(source, from);
    if (!longest) return { token: null, end: from + 1 }; // Untokenizable, dropped.
    const rule = this.#rules[longest.rule];
    const end = this.#matchEnd(source, from, longest.rule, longest.end);
    const text = source.slice(from, end);
    return { token: rule.token ? rule.token(text) : text, end: end - (rule.giveBack ?? 0) };
  }

  /** A context is not part of the token: the longest match that leaves a whole context to its right. */
  #matchEnd(source: string, from: number, index: number, end: number): number {
    const context = this.#contexts[index];
    if (!context) return end;
    const ends = context.match.ends(source, from, end);
    return ends.findLast((e) => context.before.ends(source, e, end).includes(end)) ?? end;
  }
}

let lexer: Lexer | undefined;

/**
 * Tokens of each caption as Stanford's PTBTokenizer 3.4.1 makes them (`-preserveLines -lowerCase`),
 * without the punctuation that pycocoevalcap drops. As there, the captions are lines of one text: whether
 * a period ends an abbreviation or a sentence may rest on how the next caption begins.
 */
export function ptbTokenizeLines(captions: readonly string[]): string[][] {
  lexer ??= new Lexer(rules);
  const lines = captions.map((caption) => caption.replace(LINE_BREAKS, ' '));
  const source = lines.join('\n');
  let at = 0;
  let lineStart = 0;
  return lines.map((line) => {
    const lineEnd = lineStart + line.length;
    const tokens: string[] = [];
    while (at < lineEnd) {
      const { token, end } = lexer!.read(source, at);
      const lower = token?.toLowerCase();
      if (lower && !PUNCTUATION.has(lower)) tokens.push(lower);
      at = end;
    }
    lineStart = lineEnd + 1;
    return tokens;
  });
}

/** A line break inside a caption would shift all captions after it; the reference minds only \n. */
const LINE_BREAKS = /[\r\n\u2028\u2029\v\f]/g;

/**
 * One caption's tokens, lower case, without punctuation, as a line among others has them.
 * Source: the rules that Stanford documents for its PTBTokenizer.
 */
export function ptbTokenize(caption: string): string[] {
  return ptbTokenizeLines([caption, ''])[0];
}
