import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError, DataError } from '#src/common/errors.js';
import { decodeText, readText, readTextSync } from '#src/common/text_file.js';
import { temporaryFolder } from '../support.js';

const kind = { what: 'a list' };
const big = (text: string) => Buffer.from(text, 'utf16le').swap16();
const latin = (text: string) => Buffer.from(text, 'latin1');

const TEXT = 'image,caption\np0.jpg,a café – 猫 😀\n';

for (const [name, bytes] of [
  ['UTF-8', Buffer.from(TEXT)],
  ['UTF-8 with a byte order mark', Buffer.from(`\uFEFF${TEXT}`)],
  ['UTF-16LE with a byte order mark', Buffer.from(`\uFEFF${TEXT}`, 'utf16le')],
  ['UTF-16BE with a byte order mark', big(`\uFEFF${TEXT}`)],
  ['UTF-16LE without one', Buffer.from(TEXT, 'utf16le')],
  ['UTF-16BE without one', big(TEXT)],
] as const) {
  test(`${name} is read`, () => assert.equal(decodeText(bytes, 'f.csv', kind), TEXT));
}

test('an empty file is an empty text', () => assert.equal(decodeText(Buffer.alloc(0), 'f', kind), ''));

const WRONG: [name: string, bytes: Uint8Array, ...message: RegExp[]][] = [
  [
    'Windows-1252',
    latin('image,caption\np0.jpg,a caf\xe9 \x96 the waiter\x92s\n'),
    /f\.csv:2 \(byte 27 of the file\)/,
    /byte 0xE9.*WINDOWS-1252.*a café – the waiter’s/,
    /iconv -f WINDOWS-1252 -t UTF-8 f\.csv/,
  ],
  ['Latin-1 with CR alone', latin('a\rb\r\xfcber\n'), /f\.csv:3 /, /über/],
  ['Windows-1252 beginning with 0xEF', latin('na\xefve \xef\xbf x'), /byte 3 /, /naïve/],
  ['Windows-1252 at the end of the file', latin('p,a caf\xe9'), /WINDOWS-1252.*café/],
  [
    'Cyrillic',
    new Uint8Array([
      ...latin('a,b\n'),
      0xea,
      0xf0,
      0xe0,
      0xf1,
      0xed,
      0xfb,
      0xe9,
      0x20,
      0xea,
      0xf0,
      0xf3,
      0xe3,
    ]),
    /WINDOWS-1251.*красный круг/,
  ],
  ['Shift-JIS', new Uint8Array([0x61, 0x2c, 0x90, 0xd4, 0x82, 0xa2, 0x89, 0x7e, 0x0a]), /SHIFT_JIS.*赤い円/],
  ['GBK', new Uint8Array([0x61, 0x2c, 0xba, 0xec, 0xc9, 0xab, 0xd4, 0xb2, 0xc8, 0xa6]), /GB18030.*红色圆圈/],
  ['a character cut short', Buffer.from('a é, a 猫').subarray(0, -1), /cut short/],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), /UTF-32LE/],
  ['half a character of UTF-16', Buffer.from([0xff, 0xfe, 0x61, 0, 0x62]), /UTF-16LE, of an odd number/],
  ['a spreadsheet', latin('PK\x03\x04\x14\0'), /spreadsheet \(\.xlsx/, /CSV/],
  ['gzip', latin('\x1f\x8b\x08\0'), /gzip/],
  ['Parquet', latin('PAR1\x15\x04'), /Parquet/],
  ['zeros after a crash', Buffer.concat([Buffer.from('a,b\nc,d\n'), Buffer.alloc(3000)]), /NUL byte/, /:3 /],
];

for (const [name, bytes, ...messages] of WRONG) {
  test(`${name} is refused by name`, () => {
    assert.throws(
      () => decodeText(bytes, 'f.csv', kind),
      (error) => {
        assert.ok(error instanceof DataError, String(error));
        for (const message of messages) assert.match(error.message, message);
        // Nothing of the bytes reaches the terminal as a control character.
        assert.doesNotMatch(error.message.replaceAll('\n', ''), /\p{Cc}/u);
        return true;
      },
    );
  });
}

test('any text comes back whole from any of the encodings', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      const clean = `a,b\n${text.replaceAll('\0', '').replaceAll('\uFEFF', '')}`;
      assert.equal(decodeText(Buffer.from(clean), 'f', kind), clean);
      assert.equal(decodeText(Buffer.from(`\uFEFF${clean}`, 'utf16le'), 'f', kind), clean);
      assert.equal(decodeText(big(`\uFEFF${clean}`), 'f', kind), clean);
    }),
  );
});

test('a file that is missing, or a folder, is told as such, as the kind of error that is asked for', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'd'));
  writeFileSync(join(folder, 'f'), 'text');
  assert.equal(readTextSync(join(folder, 'f'), kind), 'text');
  await assert.rejects(readText(join(folder, 'none'), kind), /a list cannot be read[\s\S]*no such file/);
  assert.throws(
    () => readTextSync(join(folder, 'd'), { what: 'a YAML file', Fault: ConfigError }),
    (error) =>
      error instanceof ConfigError && /a YAML file cannot be read[\s\S]*a folder/.test(error.message),
  );
});
