import { isUtf8 } from 'node:buffer';

/**
 * A path's bytes as text. Those that are not UTF-8 (an old archive's Latin-1 names) become lone surrogates, as
 * Python's surrogateescape has it, so that `fileSystemPath` finds the file again.
 */
export function pathText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => at + n <= bytes.length && isUtf8(bytes.subarray(at, at + n)));
    text += length ? bytes.toString('utf8', at, at + length) : String.fromCharCode(0xdc00 + bytes[at]);
    at += length ?? 1;
  }
  return text;
}

const LONE_SURROGATE = /(?<![\ud800-\udbff])[\udc80-\udcff]/;

/** What the file system takes for a path that `pathText` may have made. */
export function fileSystemPath(path: string): string | Buffer {
  if (!LONE_SURROGATE.test(path)) return path;
  const parts = [...path].map((character) => {
    const code = character.charCodeAt(0);
    return character.length === 1 && code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : character;
  });
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

/** The name as a command line hands it over, where bytes that are not UTF-8 have become U+FFFD. */
export const lossyText = (path: string): string => fileSystemPath(path).toString('utf8');
