import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import sharp from 'sharp';
import { Rng } from '#src/common/random.js';
import { type CaptionEvalDataset, CustomCaptionBuilder, type Dataset } from '#src/datasets/index.js';
import { DataError } from '#src/index.js';
import { temporaryFolder } from '../support.js';
import { samplesOf } from './support.js';

/** A folder with `n` images a0.png, a1.png, …, and a caption file of this name and text. */
async function own(name: string, text: string, n = 3) {
  const folder = temporaryFolder();
  mkdirSync(`${folder}/images`);
  const picture = sharp({ create: { width: 9, height: 9, channels: 3, background: 'teal' } }).png();
  for (let i = 0; i < n; i++) await picture.clone().toFile(`${folder}/images/a${i}.png`);
  writeFileSync(`${folder}/${name}`, text);
  return { folder, file: `${folder}/${name}` };
}

interface Built {
  train: Dataset;
  val: CaptionEvalDataset;
  test: CaptionEvalDataset;
}

async function build({ folder, file }: { folder: string; file: string }, info: object = {}): Promise<Built> {
  const build_info = {
    annotations: { all: { storage: file } },
    images: { storage: `${folder}/images` },
    splits: { train: 1 },
    seed: 1,
    ...info,
  };
  return (await CustomCaptionBuilder.fromConfig({ build_info }).buildDatasets()) as unknown as Built;
}

async function captions(name: string, text: string, info?: object): Promise<string[]> {
  const { train } = await build(await own(name, text), info);
  const samples = Array.from({ length: train.length }, (_, i) => train.get(i, Rng.of(0)));
  return (await Promise.all(samples)).map((sample) => `${sample.image_id}: ${sample.text_input}`);
}

test('a column of prompts: each caption begins with its own, in place of the one of the processor', async () => {
  const csv = 'image,caption,prompt\na0.png,A Dog.,in Spanish:\na0.png,two dogs,\na1.png,A cat,briefly \n';
  const text_processor = {
    train: { name: 'blip_caption', prompt: 'a picture of ' },
    eval: { name: 'blip_caption' },
  };
  const { folder, file } = await own('c.csv', csv);
  const section = (splits: object, info: object = {}) => ({
    text_processor,
    build_info: {
      annotations: { all: { storage: file } },
      images: { storage: `${folder}/images` },
      ...{ splits, seed: 1 },
      ...info,
    },
  });
  const built = async (...of: Parameters<typeof section>) =>
    (await CustomCaptionBuilder.fromConfig(section(...of)).buildDatasets()) as unknown as Built;
  const { train } = await built({ train: 1 });
  const samples = await samplesOf(train);
  assert.deepEqual(
    samples.map(({ prompt, text_input }) => [prompt, text_input]),
    [
      ['in Spanish: ', 'in Spanish: a dog'],
      [null, 'a picture of two dogs'],
      ['briefly ', 'briefly a cat'],
    ],
  );
  const { image: _, ...batch } = train.collate(samples);
  assert.deepEqual(batch.prompt, ['in Spanish: ', null, 'briefly ']);
  const mixed = train.collate([{ text_input: 'x' }, { text_input: 'y y', prompt: 'y ' }]);
  assert.deepEqual(mixed.prompt, [null, 'y '], 'of datasets of which only one has prompts');
  const drawn = await own('d.csv', 'image,prompt\na0.png,A cat at night\n');
  const [sample] = await samplesOf((await build(drawn, { caption_key: 'prompt' })).train);
  assert.ok(!('prompt' in sample), 'what is the caption is not its prompt as well');
  await assert.rejects(
    built({ train: 1 }, { prompt_key: 'promt' }),
    /no column is the prompt[\s\S]*'prompt'/,
  );
});

test('what is evaluated has one prompt', async () => {
  const csv = (second: string) =>
    `image,caption,prompt\na0.png,a dog,say:\na0.png,two dogs,${second}\na1.png,a cat,\n`;
  const { val } = await build(await own('c.csv', csv('say: ')), { splits: { val: 1 } });
  assert.deepEqual(
    (await samplesOf(val)).map(({ prompt }) => prompt),
    ['say: ', null],
  );
  assert.deepEqual(
    (await samplesOf(val.trainingForm())).map(({ text_input }) => text_input),
    ['say: a dog', 'say: two dogs', 'a cat'],
  );
  await assert.rejects(
    build(await own('c.csv', csv('tell:')), { splits: { val: 1 } }),
    /1 image of val with several prompts[\s\S]*c\.csv:2[\s\S]*say:; tell:/,
  );
});

const EXPECTED = ['a0.png: A dog, asleep', 'a0.png: a "big" dog', 'a1.png: A cat'];

const FILES: [what: string, name: string, text: string][] = [
  [
    'CSV with quoted cells, CRLF and a byte order mark',
    'c.csv',
    '\uFEFFimage,caption\r\na0.png,"A dog, asleep"\r\na1.png,A cat\r\na0.png,"a ""big"" dog"\r\n',
  ],
  [
    'TSV, quotes and all',
    'c.tsv',
    'caption\tfile_name\nA dog, asleep\ta0.png\na "big" dog\ta0.png\nA cat\ta1.png\n',
  ],
  [
    'JSON, a list with captions and lists of captions',
    'c.json',
    JSON.stringify([
      { filename: 'a0.png', captions: ['A dog, asleep', 'a "big" dog'] },
      { filename: 'a1.png', captions: 'A cat' },
    ]),
  ],
  [
    'JSON, image to captions',
    'c.json',
    JSON.stringify({ 'a0.png': ['A dog, asleep', 'a "big" dog'], 'a1.png': 'A cat' }),
  ],
  [
    "JSON, COCO's own form",
    'c.json',
    JSON.stringify({
      images: [
        { id: 5, file_name: 'a0.png' },
        { id: 6, file_name: 'a1.png' },
      ],
      annotations: [
        { image_id: 5, caption: 'A dog, asleep' },
        { image_id: 6, caption: 'A cat' },
        { image_id: 5, caption: 'a "big" dog' },
      ],
    }),
  ],
  [
    'JSONL',
    'c.jsonl',
    '{"path": "a0.png", "text": "A dog, asleep"}\n\n{"path": "a0.png", "text": "a \\"big\\" dog"}\n{"path": "a1.png", "text": "A cat"}\n',
  ],
];

for (const [what, name, text] of FILES) {
  test(`captions are read from ${what}`, async () => {
    assert.deepEqual(
      await captions(name, text),
      EXPECTED.map((line) => line.replace('.png', '')),
    );
  });
}

test('columns of any name are read where they are named', async () => {
  const text = 'bild,untertitel,image\na0.png,ein Hund,x\n';
  const keys = { image_key: 'bild', caption_key: 'untertitel' };
  assert.deepEqual(await captions('c.csv', text, keys), ['a0: ein Hund']);
});

const TABLE = `image,caption\n${Array.from({ length: 10 }, (_, i) => `a${i}.png,one ${i}\na${i}.png,two ${i}`).join('\n')}\n`;

test('images are shared out by ratio and seed, whatever the order of the file', async () => {
  const splits = { train: 8, val: 1, test: 1 };
  const { train, val, test: held } = await build(await own('c.csv', TABLE, 10), { splits });
  assert.deepEqual([train.length, val.length, held.length], [16, 1, 1]);
  const [header, ...rows] = TABLE.trim().split('\n');
  const reversed = [header, ...rows.reverse()].join('\n');
  const again = await build(await own('c.csv', reversed, 10), { splits });
  assert.equal(again.val.records[0].image, val.records[0].image);
  const seeds = [2, 3, 4, 5].map(
    async (seed) => (await build(await own('c.csv', TABLE, 10), { splits, seed })).val.records[0].image,
  );
  assert.ok((await Promise.all(seeds)).some((image) => image !== val.records[0].image));
});

test('the ground truth is made of all captions of a held-out image', async () => {
  const { val } = await build(await own('c.csv', TABLE, 10), { splits: { train: 9, val: 1 } });
  const [{ image }] = val.records;
  const i = Number(String(image)[1]);
  assert.deepEqual(val.groundTruth(), {
    annotations: [
      { image_id: `a${i}`, caption: `one ${i}`, id: 0 },
      { image_id: `a${i}`, caption: `two ${i}`, id: 1 },
    ],
    images: [{ id: `a${i}` }],
  });
});

test('a column of the file may name the split', async () => {
  const text = 'image,caption,split\na0.png,x,train\na1.png,y,Validation\na2.png,z,TEST\n';
  const { train, val, test: held } = await build(await own('c.csv', text));
  const files = [train, val, held].map((dataset) => (dataset as CaptionEvalDataset).records[0].image);
  assert.deepEqual(files, ['a0.png', 'a1.png', 'a2.png']);
});

test('images whose names give the same number keep their paths as ids', async () => {
  const source = await own('c.csv', 'image,caption\nx_1.png,a\ny_1.png,b\n');
  for (const name of ['x_1', 'y_1'])
    await sharp(`${source.folder}/images/a0.png`).toFile(`${source.folder}/images/${name}.png`);
  const { train } = await build(source);
  assert.deepEqual(
    (train as CaptionEvalDataset).records.map(({ image_id }) => image_id),
    ['x_1.png', 'y_1.png'],
  );
});

const FAULTS: [what: string, name: string, text: string, message: RegExp][] = [
  [
    'no column of captions',
    'c.csv',
    'image,words\na0.png,x\n',
    /no column is the caption[\s\S]*image, words/,
  ],
  ['a row with too many cells', 'c.csv', 'image,caption\na0.png,x, y\n', /c\.csv:2[\s\S]*3 cells/],
  ['a quote that never ends', 'c.csv', 'image,caption\na0.png,"x\n', /c\.csv:2/],
  ['an empty caption', 'c.jsonl', '\n{"image": "a0.png", "caption": " "}\n', /c\.jsonl:2[\s\S]*" "/],
  ['a broken line of JSONL', 'c.jsonl', '{"image": "a0.png", "caption": "x"}\n{"ima\n', /c\.jsonl:2/],
  ['no captions', 'c.csv', 'image,caption\n', /no captions/],
  ['another kind of file', 'c.xlsx', 'x', /unknown kind[\s\S]*\.csv/],
];

for (const [what, name, text, message] of FAULTS) {
  test(`${what} is told with its place`, async () => {
    await assert.rejects(build(await own(name, text)), (error) => {
      assert.ok(error instanceof DataError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

test('a caption file that is not there is told with its path', async () => {
  const { folder } = await own('c.csv', TABLE);
  await assert.rejects(build({ folder, file: `${folder}/other.csv` }), /other\.csv/);
});

/** What is logged while something is done. */
async function logged(work: () => Promise<unknown>): Promise<string> {
  const { write } = process.stderr;
  let text = '';
  process.stderr.write = ((part: string) => {
    text += part;
    return true;
  }) as typeof write;
  try {
    await work();
  } finally {
    process.stderr.write = write;
  }
  return text;
}

const buildUsed = async (text: string, splits: string[], info: object = {}) => {
  const { folder, file } = await own('c.csv', text);
  const build_info = {
    annotations: { all: { storage: file } },
    images: { storage: `${folder}/images` },
    splits: { train: 1 },
    ...info,
  };
  return CustomCaptionBuilder.fromConfig({ build_info }).buildDatasets(splits);
};

test('a misspelt split is refused, another one is counted and left out, whether it is used or not', async () => {
  const typo = 'image,caption,split\na0.png,x,train\na1.png,y,trian\na2.png,z,trian\n';
  await assert.rejects(
    buildUsed(typo, ['train']),
    /2 images of a split[\s\S]*c\.csv:3\n.*c\.csv:4\n.*'trian'; did you mean 'train'/,
  );
  const other = 'image,caption,split\na0.png,x,train\na1.png,y,unlabeled\na2.png,z,\n';
  const told = await logged(() => buildUsed(other, ['train']));
  assert.match(told, /warning: .*1 image of the split 'unlabeled' .*c\.csv:3.* left out/);
  assert.match(told, /2 images of 3 name their split; the other 1 are divided by ratio/);
  const { unlabeled } = await buildUsed(other, ['train', 'unlabeled']);
  assert.equal((unlabeled as Dataset).length, 1);
});

test('captions without a word are counted as training starts', async () => {
  const told = await logged(() =>
    buildUsed('image,caption\na0.png,...\na1.png,a dog\na2.png,(!)\n', ['train']),
  );
  assert.match(told, /2 of 3 captions have no word: "\.\.\." in .*c\.csv:2/);
});

test("images of metadata.csv are found from its own folder, kohya's by their stems", async () => {
  const { folder } = await own('c.csv', '');
  mkdirSync(`${folder}/a/b`, { recursive: true });
  writeFileSync(
    `${folder}/a/b/metadata.csv`,
    'file_name,text\n../../images/a0.png,x\n../../images/a1.png,y\n',
  );
  writeFileSync(`${folder}/metadata.jsonl`, '{"file_name": "images/a0.png", "text": ["x", "y"]}\n');
  const images = async (file: string) =>
    ((await build({ folder, file })).train as CaptionEvalDataset).records.map(({ image }) => image);
  assert.deepEqual(await images(`${folder}/a/b/metadata.csv`), ['a0.png', 'a1.png']);
  assert.deepEqual(await images(`${folder}/metadata.jsonl`), ['a0.png', 'a0.png']);
  writeFileSync(`${folder}/meta_cap.json`, '{"a0": {"caption": "x", "tags": "t"}, "a2": {"caption": "y"}}');
  assert.deepEqual(await images(`${folder}/meta_cap.json`), ['a0.png', 'a2.png']);
});

test('a relative path that leads nowhere is told with what it is relative to', async () => {
  await assert.rejects(build({ folder: temporaryFolder(), file: 'no/such.csv' }), (error: Error) => {
    assert.ok(error.message.includes("'no/such.csv' is looked for in the working directory, then in"));
    return true;
  });
});
