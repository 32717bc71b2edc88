import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { nearMiss } from '#src/datasets/annotated/near_miss.js';
import { temporaryFolder } from '../support.js';

const NFC = '\u00e9te\u0301.jpg'.normalize('NFC');
const NFD = NFC.normalize('NFD');

/** A file that is there; how it is named; what is told. */
const NEAR: [what: string, there: string, named: string, told: RegExp, help?: RegExp][] = [
  ['another case', 'p0.JPG', 'p0.jpg', /p0\.JPG is there: upper and lower case differ/],
  ['another case of a folder', 'Sub/p0.jpg', 'sub/p0.jpg', /Sub\/p0\.jpg is there: upper and lower case/],
  ['decomposed accents', NFC, NFD, /NFC.*NFD/],
  ['composed accents', NFD, NFC, /NFC.*NFD/],
  ['backslashes', 'sub/p0.jpg', 'sub\\p0.jpg', /sub\/p0\.jpg is there: .*backslashes/],
  ['a leading slash', 'p0.jpg', '/p0.jpg', /begins with a slash/],
  ['a space at the end', 'p0.jpg', 'p0.jpg ', /there is a space/],
  ['a no-break space in front', 'p0.jpg', '\u00a0p0.jpg', /there is a space/],
  ['a no-break space within', 'a p0.jpg', 'a\u00a0p0.jpg', /the name holds U\+00A0 \(a no-break space\)/],
  ['a zero-width space in the file', 'a\u200bp0.jpg', 'ap0.jpg', /the file's name holds U\+200B/],
  ['two spaces for one', 'a p0.jpg', 'a  p0.jpg', /the spaces in the names differ/],
  ['quotes', 'p0.jpg', '"p0.jpg"', /in quotes/],
  ['no extension', 'p0.jpg', 'p0', /extension \.jpg is missing/],
  ['another extension', 'p0.png', 'p0.jpg', /extension is \.png, not \.jpg/],
  ['.jpeg for .jpg', 'p0.jpeg', 'p0.jpg', /extension is \.jpeg, not \.jpg/],
  ['an encoded name', 'a b.jpg', 'a%20b.jpg', /encoded/],
  [
    'an address',
    'p0.jpg',
    'https://x.example.org/d/p0.jpg?w=640',
    /is an address.*p0\.jpg is there/,
    /name the files/,
  ],
  [
    'an address of what is not there',
    'q.jpg',
    'http://x.example.org/p0.jpg',
    /is an address/,
    /fetch the images/,
  ],
  [
    'the folder twice',
    'p0.jpg',
    'images/p0.jpg',
    /already begins with the folder/,
    /images\.storage=.*'images\/'/s,
  ],
  [
    'a path of another machine',
    'sub/p0.jpg',
    '/content/data/images/sub/p0.jpg',
    /sub\/p0\.jpg is there: .*folders in front/,
  ],
  ['a path of Windows', 'p0.jpg', 'C:\\Users\\me\\p0.jpg', /p0\.jpg is there: .*backslashes/],
  [
    'a folder that is left out',
    'train/p0.jpg',
    'p0.jpg',
    /train\/p0\.jpg is there: the name lacks the folder/,
  ],
];

for (const [what, there, named, told, help = /^$/] of NEAR) {
  test(`${what} is named`, () => {
    const folder = join(temporaryFolder(), 'images');
    const file = join(folder, there);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
    const near = nearMiss(folder, named);
    assert.match(near?.found ?? 'nothing', told);
    assert.match(near?.help ?? '', help);
  });
}

test('nothing is made up where nothing is near', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'q.jpg'), '');
  assert.equal(nearMiss(folder, 'p0.jpg'), undefined);
  assert.equal(nearMiss(join(folder, 'none'), 'p0.jpg'), undefined);
  assert.equal(nearMiss(folder, ''), undefined);
});
