import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CAPTIONS } from '#src/datasets/caption/own_captions.js';
import { textsOfRole } from '#src/datasets/own/assign_splits.js';
import type { TableKeys } from '#src/datasets/own/columns.js';
import { readOwnTables } from '#src/datasets/own/own_table.js';
import { DataError } from '#src/index.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

async function read(name: string, text: string | Uint8Array, keys: TableKeys = {}) {
  const file = join(folder, name);
  writeFileSync(file, text);
  const { images, notes } = await readOwnTables([file], CAPTIONS, keys);
  const shown = images.map(
    (one) => `${one.image}: ${textsOfRole(one, 'caption').join(' / ')}${one.split ? ` (${one.split})` : ''}`,
  );
  return { shown, notes: notes.join('\n').replaceAll(file, name) };
}

const TWO = ['a.jpg: a dog, asleep', 'b.jpg: a "big" cat'];
const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le');

/** What is written; what is read of it; what is told. */
const READ: [what: string, name: string, text: string | Uint8Array, shown?: string[], note?: RegExp][] = [
  ['commas', 'c.csv', 'image,caption\na.jpg,"a dog, asleep"\nb.jpg,"a ""big"" cat"\n'],
  ['semicolons', 'c.csv', 'image;caption\na.jpg;a dog, asleep\nb.jpg;"a ""big"" cat"\n', TWO, /semicolons/],
  [
    "Excel's line of the separator",
    'c.csv',
    'sep=;\r\nimage;caption\r\na.jpg;a dog, asleep\r\nb.jpg;"a ""big"" cat"\r\n',
    TWO,
    /semicolons/,
  ],
  ['tabs in a .csv', 'c.csv', 'image\tcaption\na.jpg\ta dog, asleep\nb.jpg\ta "big" cat\n', TWO, /tabs/],
  [
    'commas in a .tsv',
    'c.tsv',
    'image,caption\na.jpg,"a dog, asleep"\nb.jpg,"a ""big"" cat"\n',
    TWO,
    /commas/,
  ],
  ['tabs, cells quoted', 'c.tsv', 'image\tcaption\na.jpg\t"a dog, asleep"\nb.jpg\t"a ""big"" cat"\n'],
  ['tabs, one quote', 'c.tsv', 'image\tcaption\na.jpg\t"a dog\nb.jpg\tx\n', ['a.jpg: "a dog', 'b.jpg: x']],
  ['a header in capitals', 'c.csv', 'File Name,CAPTION\na.jpg,"a dog, asleep"\nb.jpg,"a ""big"" cat"\n'],
  ['a blank before quotes', 'c.csv', 'image, caption\na.jpg, "a dog, asleep"\nb.jpg , "a ""big"" cat" \n'],
  ['commas at the end', 'c.csv', 'image,caption\na.jpg,"a dog, asleep",\nb.jpg,"a ""big"" cat",,\n'],
  [
    'a comma ends the header too',
    'c.csv',
    'image,caption,\na.jpg,"a dog, asleep",\nb.jpg,"a ""big"" cat",\n',
  ],
  [
    'backslashes before quotes',
    'c.csv',
    'image,caption\na.jpg,"a dog, asleep"\nb.jpg,"a \\"big\\" cat"\n',
    TWO,
    /backslashes/,
  ],
  ['quotes inside plain cells', 'c.csv', 'image,caption\na.jpg,a 5" dog\n', ['a.jpg: a 5" dog']],
  ['a backslash in a quoted cell', 'c.csv', 'image,caption,dir\na.jpg,x,"C:\\d\\"\n', ['a.jpg: x']],
  ['CR alone', 'c.csv', 'image,caption\ra.jpg,"a dog, asleep"\rb.jpg,"a ""big"" cat"\r'],
  ['mixed line ends', 'c.csv', 'image,caption\r\na.jpg,"a dog, asleep"\nb.jpg,"a ""big"" cat"\r\n'],
  ['UTF-16', 'c.csv', utf16('image,caption\na.jpg,"a dog, asleep"\nb.jpg,"a ""big"" cat"\n')],
  ['UTF-16 with tabs', 'c.tsv', utf16('image\tcaption\r\na.jpg\ta dog, asleep\r\nb.jpg\ta "big" cat\r\n')],
  ['no header', 'c.csv', 'a.jpg,"a dog, asleep"\nb.jpg,"a ""big"" cat"\n', TWO, /no header/],
  ['no header, captions first', 'c.csv', '"a dog, asleep",a.jpg\n"a ""big"" cat",b.jpg\n', TWO, /no header/],
  ['a column of row numbers', 'c.csv', ',image,caption\n0,a.jpg,"a dog, asleep"\n1,b.jpg,"a ""big"" cat"\n'],
  ['empty rows', 'c.csv', '\nimage,caption\n\na.jpg,"a dog, asleep"\n,\nb.jpg,"a ""big"" cat"\n\n'],
  [
    "Kaggle's Flickr8k",
    'captions.txt',
    'image,caption\na.jpg,"a dog , asleep ."\na.jpg,a dog\n',
    ['a.jpg: a dog , asleep . / a dog'],
  ],
  [
    'Flickr8k.token',
    'F.token.txt',
    'a.jpg#0\ta dog , asleep .\na.jpg#1\ta " dog " | x\n',
    ['a.jpg: a dog , asleep . / a " dog " | x'],
    /no header/,
  ],
  ['results_20130124.token', 'r.token', 'a.jpg#0\ta dog\n', ['a.jpg: a dog']],
  [
    'Flickr30k with bars, and the bar that its file lacks',
    'results.csv',
    'image_name| comment_number| comment\na.jpg| 0| a "dog" , asleep .\na.jpg| 4   a dog runs .\n',
    ['a.jpg: a "dog" , asleep . / a dog runs .'],
    /vertical bars/,
  ],
  [
    'numbered captions',
    'c.csv',
    'file_name,caption_0,caption_1,caption_10,caption_2\na.jpg,x,y,v,\nb.jpg,z\n',
    ['a.jpg: x / y / v', 'b.jpg: z'],
  ],
  [
    'numbered captions in JSON Lines',
    'm.jsonl',
    '{"file_name":"a.jpg","text1":"x","text2":null,"text3":"z"}\n',
    ['a.jpg: x / z'],
  ],
  [
    'a list as JSON in a cell',
    'c.csv',
    'image,raw\na.jpg,"[""a dog, asleep"", ""two""]"\n',
    ['a.jpg: a dog, asleep / two'],
  ],
  [
    'a list as Python in a cell',
    'c.csv',
    `image,raw\na.jpg,"['a dog, asleep', ""the dog's"", 'it\\'s']"\n`,
    ["a.jpg: a dog, asleep / the dog's / it's"],
  ],
  ['a list as NumPy in a cell', 'c.csv', `image,raw\na.jpg,"['a dog'\n 'two']"\n`, ['a.jpg: a dog / two']],
  ['brackets that are no list', 'c.csv', 'image,caption\na.jpg,[a dog]\n', ['a.jpg: [a dog]']],
  [
    'a list that is text in JSON',
    'c.json',
    '[{"image":"a.jpg","caption":"[\\"x\\", \\"y\\"]"}]',
    ['a.jpg: x / y'],
  ],
  [
    'JSON Lines in .json',
    'c.json',
    '{"image":"a.jpg","caption":"x"}\n{"image":"b.jpg","caption":"y"}\n',
    ['a.jpg: x', 'b.jpg: y'],
  ],
  [
    'a list in .jsonl',
    'c.jsonl',
    '[\n{"image":"a.jpg","caption":"x"},\n{"image":"b.jpg","caption":"y"}\n]',
    ['a.jpg: x', 'b.jpg: y'],
  ],
  ['.NDJSON', 'c.NDJSON', '{"image":"a.jpg","caption":"x"}\r\n', ['a.jpg: x']],
  ['JSON in a .txt', 'c.txt', '[{"image":"a.jpg","caption":"x"}]', ['a.jpg: x']],
  ['NaN in another column', 'c.json', '[{"image":"a.jpg","caption":"a NaN","score":NaN}]', ['a.jpg: a NaN']],
  [
    'a key that the first entry lacks',
    'c.json',
    '[{"image":"a.jpg","caption":"x"},{"image":"b.jpg","caption":"y","split":"val"}]',
    ['a.jpg: x', 'b.jpg: y (val)'],
  ],
  [
    'pandas, by columns',
    'c.json',
    '{"image":{"0":"a.jpg","1":"b.jpg"},"caption":{"0":"x","1":"y"}}',
    ['a.jpg: x', 'b.jpg: y'],
  ],
  [
    'pandas, split',
    'c.json',
    '{"columns":["image","caption"],"index":[0],"data":[["a.jpg","x"]]}',
    ['a.jpg: x'],
  ],
  [
    'lists of columns',
    'c.json',
    '{"image":["a.jpg","b.jpg"],"caption":["x",["y","z"]]}',
    ['a.jpg: x', 'b.jpg: y / z'],
  ],
  ['a list under a key', 'c.json', '{"version":1,"data":[{"image":"a.jpg","caption":"x"}]}', ['a.jpg: x']],
  [
    'a list for each split',
    'c.json',
    '{"train":[{"image":"a.jpg","caption":"x"}],"validation":[{"image":"b.jpg","caption":"y"}]}',
    ['a.jpg: x (train)', 'b.jpg: y (val)'],
  ],
  ['kohya', 'meta_cap.json', '{"a":{"caption":"x","tags":"dog"},"b":{"caption":"y"}}', ['a: x', 'b: y']],
  [
    "Karpathy's own file",
    'dataset.json',
    JSON.stringify({
      images: [
        {
          filepath: 'val2014',
          filename: 'a.jpg',
          split: 'restval',
          sentences: [{ tokens: ['x'], raw: 'x .' }, { raw: 'y .' }],
        },
        { filename: 'b.jpg', split: 'test', sentences: [{ raw: 'z' }] },
      ],
      dataset: 'coco',
    }),
    ['val2014/a.jpg: x . / y . (train)', 'b.jpg: z (test)'],
  ],
  [
    'splits in any case',
    'c.csv',
    'image,caption,Split\na.jpg,x,Train \nb.jpg,y,DEV\n',
    ['a.jpg: x (train)', 'b.jpg: y (val)'],
  ],
  [
    'a split named once for an image',
    'c.csv',
    'image,caption,split\na.jpg,x,\na.jpg,y,val\n',
    ['a.jpg: x / y (val)'],
  ],
  ['one image by two spellings', 'c.csv', 'image,caption\n./a.jpg,x\na.jpg,y\n', ['a.jpg: x / y']],
];

const REFUSED: [what: string, name: string, text: string | Uint8Array, ...messages: RegExp[]][] = [
  [
    'a pointer of Git LFS',
    'c.csv',
    'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n',
    /Git LFS/,
    /git lfs pull/,
  ],
  ['a web page', 'c.json', '<!DOCTYPE html>\n<html></html>', /a web page/],
  [
    'repeated headers',
    'c.csv',
    'image,caption,Caption\na.jpg,x,y\n',
    /two columns with the same name/,
    /caption_0, caption_1/,
  ],
  ['no header and three columns', 'c.csv', 'a.jpg,0,x\n', /no header/, /image,caption/],
  [
    'a comma too many',
    'c.csv',
    'image,caption\na.jpg,x\nb.jpg,y, z\n',
    /c\.csv:3/,
    /3 cells/,
    /"a dog, asleep"/,
  ],
  ['a cell too few', 'c.csv', 'image,caption,split\na.jpg,x\n', /c\.csv:2/, /2 cells/],
  ['a quote that never ends', 'c.csv', 'image,caption\na.jpg,"x\nb.jpg,y\n', /c\.csv:2/],
  [
    'a quote that ends rows below',
    'c.csv',
    'image,caption\na.jpg,"x\nb.jpg,y\nc.jpg,z"\n',
    /runs over other rows/,
    /c\.csv:2/,
  ],
  [
    'a quote after a quoted cell',
    'c.csv',
    'image,caption\na.jpg,"say "no" ok"\n',
    /quotes of a cell/,
    /c\.csv:2/,
  ],
  [
    'empty captions, all of them',
    'c.csv',
    'image,caption\na.jpg,\nb.jpg,x\nc.jpg, \n',
    /2 of 3 entries/,
    /c\.csv:2\n.*c\.csv:4/,
  ],
  ['the word nan', 'c.csv', 'image,caption\na.jpg,nan\nb.jpg,x\n', /c\.csv:2/, /"nan"/],
  [
    'null',
    'c.json',
    '[{"image":"a.jpg","caption":"x"},{"image":"b.jpg","caption":null}]',
    /c\.json, entry 1/,
    /null/,
  ],
  ['NaN', 'c.json', '[{"image":"a.jpg","caption":NaN}]', /c\.json, entry 0/],
  ['an empty list', 'c.json', '{"a.jpg":[],"b.jpg":"x"}', /entry 0/],
  ['a caption that is a number', 'c.json', '[{"image":"a.jpg","caption":5}]', /entry 0/, /5/],
  [
    'no image',
    'c.jsonl',
    '{"image":"a.jpg","caption":"x"}\n{"image":null,"caption":"y"}\n',
    /c\.jsonl:2/,
    /no image under 'image'/,
  ],
  [
    'a list of other things in a cell',
    'c.csv',
    `image,caption\na.jpg,"[{'raw': 'x'}]"\n`,
    /c\.csv:2/,
    /list/,
  ],
  ['a broken line', 'c.jsonl', '{"image":"a.jpg","caption":"x"}\n{"image":\n', /c\.jsonl:2/, /not JSON/],
  ['a file cut short', 'c.json', '[{"image":"a.jpg","caption":"x"},{"ima', /not JSON/],
  ['an empty file', 'c.json', ' \n', /an empty file/],
  [
    'columns of different lengths',
    'c.json',
    '{"image":["a.jpg","b.jpg"],"caption":["x"]}',
    /different lengths/,
    /image: 2, caption: 1/,
  ],
  [
    'one image in two splits',
    'c.csv',
    'image,caption,split\na.jpg,x,train\na.jpg,y,val\n',
    /an image is in several splits/,
    /a\.jpg: train, val/,
  ],
  [
    'Windows-1252',
    'c.csv',
    Buffer.from('image,caption\na.jpg,a caf\xe9\n', 'latin1'),
    /c\.csv:2/,
    /WINDOWS-1252/,
  ],
  ['a spreadsheet', 'c.csv', Buffer.from('PK\x03\x04\x00\x00', 'latin1'), /spreadsheet/],
  [
    'no column of captions',
    'c.csv',
    'image;words\na.jpg;x\n',
    /no column is the caption/,
    /image, words/,
    /caption_key=NAME/,
  ],
  ['a kind of file that is not read', 'c.parquet', 'PAR1', /unknown kind/, /\.csv/],
];

describe('a caption file with', () => {
  for (const [what, name, text, shown = TWO, note] of READ) {
    it(`${what} is read`, async () => {
      const got = await read(name, text);
      assert.deepEqual(got.shown, shown);
      if (note) assert.match(got.notes, note);
    });
  }

  for (const [what, name, text, ...messages] of REFUSED) {
    it(`${what} is refused, with its place`, async () => {
      await assert.rejects(read(name, text), (error) => {
        assert.ok(error instanceof DataError, String(error));
        for (const message of messages) assert.match(error.message, message);
        return true;
      });
    });
  }

  it('named columns is read by these names, whatever their case', async () => {
    const keys = { image: 'Bild', caption: 'untertitel' };
    const { shown } = await read('c.csv', 'image;bild;untertitel_1;untertitel_2\nx.jpg;a.jpg;x;y\n', keys);
    assert.deepEqual(shown, ['a.jpg: x / y']);
    await assert.rejects(
      read('c.csv', 'image,caption\na.jpg,x\n', { split: 'part' }),
      /no column is the split/,
    );
  });
});
