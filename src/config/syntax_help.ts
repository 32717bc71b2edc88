/** Characters that look like others or like nothing, and what people call them. */
const DECEPTIVE: Readonly<Record<string, string>> = {
  '\u00a0': 'a no-break space',
  '\u00ad': 'a soft hyphen',
  '\u2007': 'a figure space',
  '\u2009': 'a thin space',
  '\u200b': 'a zero-width space',
  '\u200c': 'a zero-width non-joiner',
  '\u200d': 'a zero-width joiner',
  '\u200e': 'a left-to-right mark',
  '\u200f': 'a right-to-left mark',
  '\u2028': 'a line separator',
  '\u202f': 'a narrow no-break space',
  '\u2060': 'a word joiner',
  '\u3000': 'an ideographic space',
  '\ufeff': 'a byte order mark',
};
/** Those that stand for a sign of the keyboard in numbers, quotes and keys. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  '\u2010': 'a hyphen, not a minus',
  '\u2011': 'a hyphen, not a minus',
  '\u2012': 'a dash, not a minus',
  '\u2013': 'a dash, not a minus',
  '\u2014': 'a dash, not a minus',
  '\u2212': 'a minus of typography',
  '\u2018': 'a typographic quote',
  '\u2019': 'a typographic quote',
  '\u201c': 'a typographic quote',
  '\u201d': 'a typographic quote',
  '\uff0c': 'a full-width comma',
  '\uff1a': 'a full-width colon',
};

/** "U+00A0 (a no-break space)" for each that a text holds; empty where it holds none. */
export function deceptiveIn(text: string, lookalikesToo = false): string {
  const names = lookalikesToo ? { ...DECEPTIVE, ...LOOKALIKES } : DECEPTIVE;
  const held = [...new Set(text)].filter((character) => Object.hasOwn(names, character));
  return held.map((character) => `${codePoint(character)} (${names[character]})`).join(', ');
}

/** A text with what cannot be seen in it made visible. */
export const withVisible = (text: string) =>
  text.replaceAll(
    /[\p{Zl}\p{Zp}\p{Cf}\p{Cc}\u00a0\u2000-\u200a\u202f\u3000]/gu,
    (character) => `<${codePoint(character)}>`,
  );

const codePoint = (character: string) =>
  `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

/**
 * What is usually behind the parser's words.
 * @param line the one that it complains about, and the one above, where the fault often is
 */
export function syntaxHelp(reason: string, line: string, above: string): string | undefined {
  for (const one of [line, above]) {
    const held = deceptiveIn(one);
    if (held) return `the line holds ${held}: type a plain space instead, or nothing`;
  }
  if ([line, above].some((one) => /^(<{7}|={7}|>{7})/.test(one)))
    return 'the file holds the marks of a merge conflict: take one of the two sides';
  if (/tab character/.test(reason)) return 'indent with spaces; a tab is shown as →';
  const [, key, value] = /^\s*(?:- +)?([\w.-]+): +(.*)$/.exec(line) ?? [];
  if (value && /^[%@`*&!]/.test(value) && !/stands twice/.test(reason)) {
    return `a value that begins with ${value[0]} goes in quotes: ${key}: '${unquotable(value)}'`;
  }
  if (value && /^[^'"[{|>].*:(\s|$)/.test(value)) {
    return `put quotes around a value that contains a colon and a space: ${key}: '${unquotable(value)}'`;
  }
  if (value && /\{\{.*\}\}/.test(value)) return `put quotes around {{…}}: ${key}: '${unquotable(value)}'`;
  const assigned = /^(\s*[\w.]+) *= *(\S.*)$/.exec(line) ?? /^(\s*[\w.]+) *= *(\S.*)$/.exec(above);
  if (assigned) return `a colon and a space instead of the =: ${assigned[1].trim()}: ${assigned[2]}`;
  return HELP.find(([pattern]) => pattern.test(reason))?.[1];
}

/** Without a comment after it, single quotes doubled. */
const unquotable = (value: string) => value.replace(/ +#.*$/, '').replaceAll("'", "''");

const HELP: readonly (readonly [reason: RegExp, help: string])[] = [
  [
    /bad indentation of a mapping|multiline key|block mapping entry|after a mapping key/,
    'each line is `key: value`, with a space after the colon; keys of one section begin in the same column',
  ],
  [/escape/, "in double quotes a backslash begins an escape: write 'C:\\data' in single quotes, or C:/data"],
  [
    /deficient indentation|end of the stream|flow collection/,
    'a bracket or quote that was opened on a line above is not closed',
  ],
  [/stands twice/, 'leave one of them'],
  [/more than one document/, 'leave one of them: take out the line with ---'],
];
