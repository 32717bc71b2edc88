import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { Rng } from '#src/common/random.js';
import { type CaptionEvalDataset, CustomCaptionBuilder, FolderCaptionBuilder } from '#src/datasets/index.js';
import { DataError } from '#src/index.js';
import { temporaryFolder } from '../support.js';

/** A folder with these files: pictures by their extensions, texts as they are. */
async function folderOf(files: Record<string, string>): Promise<string> {
  const folder = temporaryFolder();
  const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'teal' } })
    .png()
    .toBuffer();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), /\.(png|jpg)$/.test(name) ? picture : text);
  }
  return folder;
}

async function build(files: Record<string, string>, info: object = {}) {
  const build_info = { images: { storage: await folderOf(files) }, splits: { train: 1 }, seed: 1, ...info };
  const splits = await FolderCaptionBuilder.fromConfig({ build_info }).buildDatasets();
  return splits as unknown as Record<string, CaptionEvalDataset>;
}

const captions = ({ records }: CaptionEvalDataset) =>
  records.map(({ image, text_input }) => `${image}: ${text_input}`);

test('every line of the text beside a picture is a caption', async () => {
  const { train } = await build({
    'a.png': '',
    'a.txt': '\uFEFFa dog\r\n\r\n two dogs \r\n',
    'sub/b.jpg': '',
    'sub/b.caption': 'a cat',
    'c.jpg': '',
    'c.jpg.txt': 'a cow',
    'without.png': '',
    '.hidden/d.png': '',
    '.hidden/d.txt': 'x',
    'readme.txt': 'x',
  });
  assert.deepEqual(captions(train), ['a.png: a dog', 'a.png: two dogs', 'c.jpg: a cow', 'sub/b.jpg: a cat']);
  assert.equal((await train.get(3, Rng.of(0))).text_input, 'a cat');
});

test('folders that are named as splits are these, the rest is divided by ratio', async () => {
  const files = { 'train/a.png': '', 'train/a.txt': 'x', 'valid/b.png': '', 'valid/b.txt': 'y\nz' };
  const { train, val } = await build(files, { splits: { test: 1 } });
  assert.deepEqual(captions(train), ['train/a.png: x']);
  assert.deepEqual(
    val.groundTruth()!.annotations.map(({ caption }) => caption),
    ['y', 'z'],
  );
  const flat = Object.fromEntries(
    [...'abcdefgh'].flatMap((name) => [
      [`${name}.png`, ''],
      [`${name}.txt`, name],
    ]),
  );
  const shared = await build(flat, { splits: { train: 0.5, val: 0.5 } });
  assert.deepEqual([shared.train.length, shared.val.length], [4, 4]);
});

test('an extension of captions may be chosen', async () => {
  const files = { 'a.png': '', 'a.txt': 'tags', 'a.cap': 'a dog' };
  assert.deepEqual(captions((await build(files, { caption_extension: '.cap' })).train), ['a.png: a dog']);
});

const HUGGING_FACE = {
  'train/metadata.jsonl': [
    '{"file_name": "0.png", "text": "a dog", "label": 3}',
    '{"file_name": "deep/1.png", "text": ["a cat", "two cats"]}',
  ].join('\n'),
  'train/0.png': '',
  'train/deep/1.png': '',
  'train/other.png': '',
  'validation/metadata.csv': 'file_name,text,prompt\n0.png,a cow,say\n',
  'validation/0.png': '',
};

test("Hugging Face's imagefolder: tables name the images beside and below them, in folders of splits", async () => {
  const { train, val, test: none } = await build(HUGGING_FACE);
  const expected = ['train/0.png: a dog', 'train/deep/1.png: a cat', 'train/deep/1.png: two cats'];
  assert.deepEqual(captions(train), expected);
  assert.equal(none, undefined);
  assert.deepEqual(
    val.records.map(({ image, prompt }) => [image, prompt]),
    [['validation/0.png', 'say ']],
  );
  assert.equal((await train.get(1, Rng.of(0))).text_input, 'a cat');
});

test('one table for a whole folder: splits by its column, by the folders that it names, or by ratio', async () => {
  const files = {
    'metadata.csv': 'file_name,description,title,split\ntrain/a.png,x,X,\nb.png,y,Y,test\nc.png,z,Z,\n',
    'train/a.png': '',
    'b.png': '',
    'c.png': '',
  };
  const { train, val, test } = await build(files, { splits: { val: 1 } });
  assert.deepEqual(captions(train), ['train/a.png: x']);
  assert.deepEqual([val.records[0].image, test.records[0].image], ['c.png', 'b.png']);
  const titled = await build(files, { splits: { val: 1 }, caption_key: 'title' });
  assert.deepEqual(captions(titled.train), ['train/a.png: X']);
});

test('metadata goes before texts beside the pictures, unless these are asked for', async () => {
  const files = { 'metadata.csv': 'file_name,caption\na.png,x\n', 'a.png': '', 'a.txt': 'y' };
  assert.deepEqual(captions((await build(files)).train), ['a.png: x']);
  assert.deepEqual(captions((await build(files, { caption_from: 'beside' })).train), ['a.png: y']);
});

test('names of files are captions where that is asked for', async () => {
  const files = {
    'train/a_red_car (2).png': '',
    'b/two-dogs-on-a-beach_001.jpg': '',
    'a well-known face.png': '',
    '犬.png': '',
  };
  const { train } = await build(files, { caption_from: 'file_name' });
  assert.deepEqual(captions(train), [
    'a well-known face.png: a well-known face',
    'b/two-dogs-on-a-beach_001.jpg: two dogs on a beach',
    'train/a_red_car (2).png: a red car',
    '犬.png: 犬',
  ]);
});

for (const name of [
  'IMG_1234',
  'DSC00012',
  '0001',
  'Screenshot 2024-01-02 at 10.11.12',
  'PXL_20240102',
  'image-3',
])
  test(`a name such as ${name} is not a caption`, async () => {
    await assert.rejects(
      build({ [`${name}.jpg`]: '', 'a red car.jpg': '' }, { caption_from: 'file_name' }),
      /1 image whose name is not a caption[\s\S]*rename/,
    );
  });

for (const [what, files, ...messages] of [
  [
    'empty texts, all of them',
    { 'a.png': '', 'a.txt': ' \n', 'b.png': '', 'b.txt': '', 'c.png': '', 'c.txt': 'x' },
    /2 caption files are empty[\s\S]*a\.txt\n.*b\.txt/,
  ],
  [
    'a folder without texts',
    { 'a.png': '', 'b.png': '' },
    /no images with captions/,
    /2 images/,
    /dog\.jpg with dog\.txt/,
  ],
  [
    'two texts for a picture',
    { 'a.png': '', 'a.txt': 'x', 'a.caption': 'y' },
    /two caption files/,
    /a\.txt, a\.caption/,
  ],
  ['a text in another encoding', { 'a.png': '', 'a.txt': 'PK\x03\x04' }, /a\.txt/, /not text/],
  [
    'metadata in Parquet',
    { 'a.png': '', 'metadata.parquet': 'PAR1' },
    /in Parquet, which is not read/,
    /metadata\.parquet/,
    /read_parquet\('.*metadata\.parquet'\)\.to_csv\('.*metadata\.csv'/,
  ],
  [
    'two tables for a folder',
    { 'x/a.png': '', 'x/metadata.csv': 'file_name,text\na.png,x\n', 'x/metadata.jsonl': '{}' },
    /two tables of metadata/,
    /metadata\.csv, metadata\.jsonl/,
  ],
  [
    'metadata without captions',
    { 'a.png': '', 'metadata.csv': 'file_name,label\na.png,3\n' },
    /no column is the caption/,
    /metadata\.csv/,
    /datasets\.folder_caption\.build_info\.caption_key=NAME/,
  ],
] as const) {
  test(`${what}: refused by name`, async () => {
    await assert.rejects(build(files), (error) => {
      assert.ok(error instanceof DataError, String(error));
      for (const message of messages) assert.match(error.message, message);
      return true;
    });
  });
}

test('a folder that is not there is told with what it is relative to', async () => {
  const section = { build_info: { images: { storage: 'no/such' }, splits: {}, seed: 1 } };
  await assert.rejects(
    FolderCaptionBuilder.fromConfig(section).buildDatasets(),
    /'no\/such' is looked for in the working/,
  );
});

test('custom_caption takes such a folder in place of a file', async () => {
  const folder = await folderOf({ 'images/a.png': '', 'images/a.txt': 'x' });
  const build_info = {
    annotations: { all: { storage: join(folder, 'images') } },
    images: { storage: folder },
    splits: { train: 1 },
    seed: 1,
  };
  const { train } = await CustomCaptionBuilder.fromConfig({ build_info }).buildDatasets();
  assert.deepEqual(captions(train as CaptionEvalDataset), ['images/a.png: x']);
});
