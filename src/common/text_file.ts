import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { DataError, type ErrorDetails, type LavisError, messageOf } from './errors.js';

/** How a text is called in messages ('an annotation file'), and the class of its errors. */
export interface TextKind {
  what: string;
  Fault?: new (headline: string, details: ErrorDetails) => LavisError;
}

/**
 * The text of a file in UTF-8 or UTF-16, byte order mark or not. Nothing is replaced: what is in another
 * encoding, or is not text at all, is an error.
 * @throws DataError, or `kind.Fault`, naming file, line, byte and the likely encoding.
 */
export async function readText(file: string, kind: TextKind): Promise<string> {
  return decodeText(
    await readFile(file).catch((cause: unknown) => unreadable(file, kind, cause)),
    file,
    kind,
  );
}

/** As readText, at once. */
export function readTextSync(file: string, kind: TextKind): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    unreadable(file, kind, cause);
  }
  return decodeText(bytes, file, kind);
}

/** As readText, of bytes that are already there; `file` says where they come from. */
export function decodeText(bytes: Uint8Array, file: string, kind: TextKind): string {
  const magic = MAGIC.find(([, start]) => start.every((byte, i) => bytes[i] === byte));
  if (magic) refuse(file, kind, `${magic[0]}, which is not text`, EXPORT);
  const wide = wideEncoding(bytes);
  if (wide?.startsWith('UTF-32')) {
    refuse(file, kind, `${wide}, which is hardly ever used for files`, converted(file, wide));
  }
  if (wide) return decodeWide(bytes, file, kind, wide);
  if (!isUtf8(bytes)) refuseOtherEncoding(bytes, file, kind);
  const zero = bytes.indexOf(0);
  if (zero >= 0) refuse(placeOf(bytes, file, zero), kind, 'a NUL byte, which no text has', FETCH_AGAIN);
  return new TextDecoder('utf-8').decode(bytes);
}

const EXPORT = 'export it as a text file in UTF-8: CSV from a spreadsheet, JSON Lines from a data frame';
const FETCH_AGAIN = 'the file is damaged or is not text: fetch or export it again';

/** What files that are taken for text begin with. */
const MAGIC: readonly [what: string, start: readonly number[]][] = [
  ['a zip archive or a spreadsheet (.xlsx, .ods, .zip)', [0x50, 0x4b, 0x03, 0x04]],
  ['an empty zip archive', [0x50, 0x4b, 0x05, 0x06]],
  ['an older spreadsheet or document (.xls, .doc)', [0xd0, 0xcf, 0x11, 0xe0]],
  ['a gzip archive (.gz)', [0x1f, 0x8b]],
  ['a Zstandard archive (.zst)', [0x28, 0xb5, 0x2f, 0xfd]],
  ['a bzip2 archive (.bz2)', [0x42, 0x5a, 0x68]],
  ['an xz archive (.xz)', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['a 7-Zip archive (.7z)', [0x37, 0x7a, 0xbc, 0xaf]],
  ['a Parquet table (.parquet)', [0x50, 0x41, 0x52, 0x31]],
  ['an Arrow table (.arrow, .feather)', [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31]],
  ['an SQLite database', [...Buffer.from('SQLite format 3\0')]],
  ['a NumPy array (.npy)', [0x93, ...Buffer.from('NUMPY')]],
  ['an HDF5 file', [0x89, 0x48, 0x44, 0x46]],
  ['a PDF', [0x25, 0x50, 0x44, 0x46, 0x2d]],
  ['a PNG picture', [0x89, 0x50, 0x4e, 0x47]],
  ['a JPEG picture', [0xff, 0xd8, 0xff]],
];

/** UTF-16 and UTF-32 by their byte order mark; UTF-16 without one by the NULs of its Latin letters. */
function wideEncoding(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 && bytes.length > 3 ? 'UTF-32LE' : 'UTF-16LE';
  if (a === 0xfe && b === 0xff) return 'UTF-16BE';
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 'UTF-32BE';
  const nuls = [0, 0];
  const looked = Math.min(bytes.length, 4096);
  for (let i = 0; i < looked; i++) if (bytes[i] === 0) nuls[i % 2]++;
  const [even, odd] = nuls;
  // A stray NUL in UTF-8 is not enough: in UTF-16 blanks and line ends alone give more.
  if (Math.max(even, odd) < Math.max(2, looked / 40)) return undefined;
  if (even * 20 <= odd) return 'UTF-16LE';
  return odd * 20 <= even ? 'UTF-16BE' : undefined;
}

function decodeWide(bytes: Uint8Array, file: string, kind: TextKind, encoding: string): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    const odd = bytes.length % 2 === 1 ? ', of an odd number of bytes' : '';
    return refuse(file, kind, `${encoding}${odd}: not every character is whole`, FETCH_AGAIN);
  }
}

function refuseOtherEncoding(bytes: Uint8Array, file: string, kind: TextKind): never {
  const at = firstInvalid(bytes);
  const byte = `byte 0x${bytes[at].toString(16).toUpperCase().padStart(2, '0')}`;
  if (bytes.includes(0)) {
    refuse(placeOf(bytes, file, at), kind, `${byte} and NUL bytes: not text`, FETCH_AGAIN);
  }
  if (at >= bytes.length - 3 && endsInsideCharacter(bytes, at)) {
    refuse(placeOf(bytes, file, at), kind, `${byte}: the last character is cut short`, FETCH_AGAIN);
  }
  const { encoding, iconv } = likelyEncoding(bytes);
  const line = decodeAs(encoding, lineAround(bytes, at)).trim();
  refuse(
    placeOf(bytes, file, at),
    kind,
    `${byte}, which is not UTF-8; read as ${iconv} the line is: ${line.slice(0, 120)}`,
    converted(file, iconv),
  );
}

/** What Windows-1252 has at 0x80 to 0x9F; Node 20's decoder reads Latin-1's control characters there. */
const WINDOWS_1252 = '€\uFFFD‚ƒ„…†‡ˆ‰Š‹Œ\uFFFDŽ\uFFFD\uFFFD‘’“”•–—˜™š›œ\uFFFDžŸ';

function decodeAs(encoding: string, bytes: Uint8Array): string {
  if (encoding !== 'windows-1252') return new TextDecoder(encoding).decode(bytes);
  return Array.from(bytes, (byte) =>
    byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252[byte - 0x80] : String.fromCharCode(byte),
  ).join('');
}

/** Decoding with replacements and encoding again leaves the first invalid byte as the first difference. */
function firstInvalid(bytes: Uint8Array): number {
  const again = Buffer.from(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  let at = 0;
  while (again[at] === bytes[at]) at++;
  while ((again[at] & 0xc0) === 0x80) at--; // U+FFFD itself begins with 0xEF, as the bytes may
  return at;
}

const endsInsideCharacter = (bytes: Uint8Array, at: number) =>
  bytes[at] >= 0xc2 &&
  bytes[at] < 0xf5 &&
  isUtf8(bytes.subarray(0, at)) &&
  bytes.subarray(0, at).some((byte) => byte >= 0x80) &&
  bytes.subarray(at + 1).every((byte) => (byte & 0xc0) === 0x80);

/** The single- or double-byte encoding that the runs of bytes above 0x7F look like. */
function likelyEncoding(bytes: Uint8Array): { encoding: string; iconv: string } {
  const runs: number[] = [];
  let capitals = 0;
  let controls = 0;
  for (let i = 0, run = 0; i <= bytes.length; i++) {
    if (bytes[i] >= 0x80) {
      run++;
      if (bytes[i] >= 0xc0) capitals++;
      if (bytes[i] < 0xa0) controls++;
    } else if (run > 0) {
      runs.push(run);
      run = 0;
    }
  }
  const high = runs.reduce((sum, run) => sum + run, 0);
  const single = high / runs.length < 1.8;
  if (!single) {
    for (const [encoding, iconv] of DOUBLE_BYTE)
      if (decodes(bytes, encoding, 0.8)) return { encoding, iconv };
    if (capitals > 0.8 * high) return { encoding: 'windows-1251', iconv: 'WINDOWS-1251' };
  }
  return { encoding: 'windows-1252', iconv: controls > 0 || single ? 'WINDOWS-1252' : 'ISO-8859-1' };
}

const DOUBLE_BYTE = [
  ['shift_jis', 'SHIFT_JIS'],
  ['euc-jp', 'EUC-JP'],
  ['euc-kr', 'CP949'],
  ['gb18030', 'GB18030'],
  ['big5', 'BIG5'],
] as const;

/** Whether all bytes are valid and nearly all letters above ASCII are of the commonly used ones. */
function decodes(bytes: Uint8Array, encoding: string, share: number): boolean {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    const letters = [...text].filter((letter) => letter > '\x7f');
    const usual = letters.filter((letter) => USUAL[encoding].test(letter));
    return usual.length >= share * letters.length;
  } catch {
    return false;
  }
}

/** Japanese has kana between its characters, Korean is written in syllables. */
const KANA = /[\u3000-\u30ff\uff00-\uffef]/;
const USUAL: Record<string, RegExp> = {
  shift_jis: /[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]/,
  'euc-jp': KANA,
  'euc-kr': /[\uac00-\ud7a3\u3000-\u303f]/,
  gb18030: /[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]/,
  big5: /[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]/,
};

function placeOf(bytes: Uint8Array, file: string, at: number): string {
  let line = 1;
  for (let i = 0; i < at; i++) {
    if (bytes[i] === 0x0a || (bytes[i] === 0x0d && bytes[i + 1] !== 0x0a)) line++;
  }
  return `${file}:${line} (byte ${at + 1} of the file)`;
}

function lineAround(bytes: Uint8Array, at: number): Uint8Array {
  const isEnd = (i: number) => bytes[i] === 0x0a || bytes[i] === 0x0d;
  let start = at;
  while (start > 0 && at - start < 100 && !isEnd(start - 1)) start--;
  let end = at;
  while (end < bytes.length && end - at < 200 && !isEnd(end)) end++;
  return bytes.subarray(start, end);
}

const converted = (file: string, encoding: string) =>
  `iconv -f ${encoding} -t UTF-8 ${quoted(file)} > utf8.tmp && mv utf8.tmp ${quoted(file)}`;

const quoted = (path: string) =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;

function unreadable(file: string, { what, Fault = DataError }: TextKind, cause: unknown): never {
  const known: Record<string, string | undefined> = {
    ENOENT: 'no such file',
    EISDIR: 'a folder',
    EACCES: 'a file that cannot be read (no permission)',
  };
  const found = known[String((cause as NodeJS.ErrnoException)?.code)] ?? messageOf(cause);
  throw new Fault(`${what} cannot be read`, { where: file, found, cause });
}

function refuse(where: string, { what, Fault = DataError }: TextKind, found: string, help: string): never {
  throw new Fault(`${what} is not text in UTF-8`, { where, found, allowed: 'UTF-8, or UTF-16', help });
}
