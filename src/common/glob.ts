import picomatch from 'picomatch';

/** Characters that picomatch reads as a regular expression's, and a shell's globs as themselves. */
const LITERAL = /[()|+$]|!(?=\()|^!/g;

export interface GlobOptions {
  /** Whether `*` matches names that begin with a dot. */
  dot?: boolean;
}

/**
 * The one dialect of globs, for images, shards and names of parameters: `*` and `?` within a name, `**` over folders,
 * `[abc]` and `[!abc]`, `{one,two}`, and `{08..11}`, which counts with its leading zeros.
 * @param glob with / between names
 */
export function globMatcher(glob: string, { dot = false }: GlobOptions = {}): (path: string) => boolean {
  const pattern = glob.replace(/^\.\//, '').replaceAll(LITERAL, '\\$&').replaceAll('[!', '[^');
  return picomatch(pattern, { dot, noextglob: true, nonegate: true, expandRange });
}

/** The numbers of {4..11} as alternatives: picomatch by itself knows ranges of single characters. */
function expandRange(from: string, to: string): string {
  const numbers = countedRange(from, to);
  return numbers ? `(${numbers.join('|')})` : `[${from}-${to}]`;
}

/** '08', '09', '10' from '08' to '10', downwards as well; undefined for what is not a number. */
export function countedRange(from: string, to: string): string[] | undefined {
  if (!/^\d+$/.test(from) || !/^\d+$/.test(to)) return undefined;
  const [low, high] = [Number(from), Number(to)].sort((a, b) => a - b);
  const width = /^0\d/.test(from) || /^0\d/.test(to) ? Math.max(from.length, to.length) : 0;
  return Array.from({ length: high - low + 1 }, (_, i) => String(low + i).padStart(width, '0'));
}
