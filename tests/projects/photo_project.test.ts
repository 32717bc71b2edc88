import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { DataError } from '#src/common/errors.js';
import type { Dataset } from '#src/datasets/index.js';
import { Config } from '#src/index.js';
import { chooseRecipe } from '#src/projects/choose_recipe.js';
import { type PhotoProjectOptions, writePhotoProject } from '#src/projects/index.js';
import { checkRun } from '#src/runs/prepare_run.js';
import { buildDataset, datasetNames } from '#src/tasks/index.js';
import { temporaryFolder } from '../support.js';

const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'teal' } })
  .png()
  .toBuffer();

/** A folder of these files: pictures by their ending, others with their text. */
function folderOf(files: Record<string, string>): string {
  const folder = join(temporaryFolder(), 'my photos');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), /\.(png|jpg)$/.test(name) ? png : text);
  }
  return folder;
}

const names = (n: number) => Array.from({ length: n }, (_, i) => `p${i}.png`);
const pictures = (n: number, folder = '') => Object.fromEntries(names(n).map((name) => [folder + name, '']));

/** The project of a folder, its YAML read back as a run reads it, and how many samples each split has. */
async function project(files: Record<string, string>, options: Partial<PhotoProjectOptions> = {}) {
  const target = join(temporaryFolder(), 'run');
  const { recipe, lines } = await writePhotoProject(target, {
    from: folderOf(files),
    gpu: false,
    ...options,
  });
  const path = join(target, 'run.yaml');
  const config = await Config.fromFile(path);
  const { settings } = checkRun(config);
  const [name] = datasetNames(config);
  const splits = (await buildDataset(config, name)) as Record<string, Dataset>;
  const lengths = Object.fromEntries(Object.entries(splits).map(([split, { length }]) => [split, length]));
  return {
    recipe,
    lines: lines.join('\n'),
    text: readFileSync(path, 'utf8'),
    config,
    settings,
    name,
    lengths,
  };
}

describe('lavis init --from', () => {
  it('reads texts beside pictures, and says why each number is what it is', async () => {
    const texts = Object.fromEntries(
      names(20).map((name) => [name.replace('png', 'txt'), 'a dog\ntwo dogs']),
    );
    const { name, lengths, config, settings, text, recipe } = await project({ ...pictures(20), ...texts });
    assert.equal(name, 'folder_caption');
    assert.deepEqual(lengths, { train: 32, val: 2, test: 2 });
    assert.equal(recipe, 'lora');
    assert.equal(config.model.model_type, 'base_coco');
    assert.ok(config.model.lora);
    assert.deepEqual([settings.batchSizeTrain, settings.maxEpoch, settings.patience], [4, 30, 3]);
    assert.match(text, /^# Fine-tunes BLIP base on the photos of .*my photos, which stay/);
    for (const why of [/20 photos, 40 captions/, /learnt by heart/, /batches of 4 without a GPU/])
      assert.match(text, why);
  });

  it('takes folders whatever they are called', async () => {
    const odd = "a $& 'b' \n #c: [ü]";
    const from = join(folderOf({ [`${odd}/p.png`]: '', [`${odd}/p.txt`]: 'a dog' }), odd);
    const { lengths, config } = await project({}, { from });
    assert.deepEqual(lengths, { train: 1 });
    const { build_info } = config.datasets.folder_caption as { build_info: { images: object } };
    assert.deepEqual(build_info.images, { storage: from });
  });

  it("reads Hugging Face's imagefolder with its splits", async () => {
    const table = (n: number) =>
      names(n)
        .map((name) => JSON.stringify({ file_name: name, text: 'a dog' }))
        .join('\n');
    const { name, lengths, lines, settings } = await project({
      ...pictures(6, 'train/'),
      ...pictures(3, 'validation/'),
      'train/metadata.jsonl': table(6),
      'validation/metadata.jsonl': table(3),
    });
    assert.equal(name, 'folder_caption');
    assert.deepEqual(lengths, { train: 6, val: 3 });
    assert.match(lines, /splits as they are named: train 6, val 3/);
    assert.deepEqual(settings.validSplits, ['val']);
    assert.deepEqual(settings.testSplits, []);
  });

  it('reads a table above the folder of the pictures, wherever that is', async () => {
    const rows = names(12).map((name) => `${name},"a dog, asleep"`);
    const { name, lengths, config } = await project({
      ...pictures(12, 'data/Images/'),
      'captions.csv': ['image,caption', ...rows].join('\n'),
      'README.txt': 'My photos.\nTaken in 2020, mostly.',
      'numbers.csv': 'a,b\n1,2\n',
    });
    assert.equal(name, 'custom_caption');
    assert.deepEqual(lengths, { train: 10, val: 1, test: 1 });
    assert.match(JSON.stringify(config.datasets), /my photos\/data\/Images"/);
  });

  it("reads COCO's JSON", async () => {
    const images = names(10).map((file_name, id) => ({ id, file_name }));
    const annotations = images.flatMap(({ id }) =>
      [1, 2].map((n) => ({ id: 10 * id + n, image_id: id, caption: `dog ${n}` })),
    );
    const json = JSON.stringify({ info: {}, images, annotations });
    const { lengths } = await project({
      ...pictures(10, 'val2017/'),
      'annotations/captions_val2017.json': json,
    });
    assert.deepEqual(lengths, { train: 16, val: 1, test: 1 });
  });

  it('takes a file for each split where they are named so', async () => {
    const rows = (from: number, to: number) =>
      [
        'image,caption',
        ...names(20)
          .slice(from, to)
          .map((name) => `${name},x`),
      ].join('\n');
    const { lengths, text } = await project({
      ...pictures(20, 'images/'),
      'my_train.csv': rows(0, 14),
      'my_valid.csv': rows(14, 17),
      'my_test.csv': rows(17, 20),
    });
    assert.deepEqual(lengths, { train: 14, val: 3, test: 3 });
    assert.match(text, /valid_splits: \[val\]\n {2}test_splits: \[test\]/);
  });

  it('trains on all of a few photos, and says what is missing then', async () => {
    const { lengths, settings, lines, text } = await project({
      ...pictures(3),
      'c.csv': 'image,caption\np0.png,x\np1.png,y\np2.png,z\n',
    });
    assert.deepEqual(lengths, { train: 3 });
    assert.deepEqual([settings.validSplits, settings.testSplits], [[], []]);
    assert.match(lines, /no val: nothing tells when training should stop/);
    assert.doesNotMatch(text, /patience:/);
  });

  it('says that captions of another language need letters and words', async () => {
    const rows = (caption: string) => ({
      'c.csv': ['image,caption', ...names(12).map((name) => `${name},${caption}`)].join('\n'),
    });
    assert.match(
      (await project({ ...pictures(12), ...rows('ein schöner Hund') })).lines,
      /12 of 12 captions have letters/,
    );
    assert.doesNotMatch((await project({ ...pictures(12), ...rows('a DOG (3)') })).lines, /letters/);
  });

  it('makes room for long captions', async () => {
    const long = 'a very old and rather long word '.repeat(14).trim(); // 98 words
    const rows = names(12).map((name) => `${name},${long}`);
    const { config } = await project({ ...pictures(12), 'c.csv': ['image,caption', ...rows].join('\n') });
    const { text_processor: processor } = config.datasets.custom_caption as Record<string, { train: object }>;
    assert.deepEqual([config.run.max_len, config.model.max_txt_len], [150, 150]);
    assert.deepEqual(processor.train, { name: 'blip_caption', prompt: 'a picture of ', max_words: 100 });
  });

  for (const recipe of ['full', 'frozen', 'lora'] as const) {
    it(`writes the recipe ${recipe} where it is asked for`, async () => {
      const rows = names(12).map((name) => `${name},x`);
      const { config, text } = await project(
        { ...pictures(12), 'c.csv': ['image,caption', ...rows].join('\n') },
        { recipe, gpu: true },
      );
      assert.equal(config.model.freeze_vit === true, recipe === 'frozen');
      assert.equal(config.model.lora !== undefined, recipe === 'lora');
      assert.equal(config.run.cache_image_embeds === true, recipe !== 'full');
      if (recipe !== 'lora') assert.match(text, /asked for; lora would be the usual one: 12 photos/);
    });
  }

  it('chooses by the number of photos and the machine', () => {
    const choices = [50, 500, 50_000].flatMap((photos) =>
      [false, true].map((gpu) => chooseRecipe(photos, gpu).recipe),
    );
    assert.deepEqual(choices, ['lora', 'lora', 'frozen', 'frozen', 'frozen', 'full']);
  });
});

describe('lavis init --from says what is missing', () => {
  const cases: [what: string, files: Record<string, string>, ...messages: RegExp[]][] = [
    ['no picture', { 'a.txt': 'a dog' }, /holds no picture/, /1 other file, a\.txt/],
    [
      'pictures in HEIC',
      { ...pictures(2), 'a.heic': 'x' },
      /1 of 3 pictures cannot be read/,
      /a\.heic/,
      /heif-convert/,
    ],
    [
      'no captions',
      { ...pictures(2), 'notes.md': 'x' },
      /has pictures, and no captions/,
      /2 pictures, p0\.png/,
      /dog\.txt or dog\.caption beside dog\.jpg/,
      /lavis caption .* --write txt/,
    ],
    [
      'a table of other pictures',
      { ...pictures(2), 'c.csv': 'image,caption\nother.jpg,x\n' },
      /c\.csv names 1 image, none of which is here: other\.jpg/,
    ],
    [
      'a table whose columns are not known',
      { ...pictures(2), 'c.csv': 'image,beschreibung\np0.png,ein Hund\n' },
      /c\.csv: no column is the caption \(image, beschreibung\)/,
    ],
    [
      'an empty caption file',
      { ...pictures(2), 'p0.txt': '', 'p1.txt': 'x' },
      /a caption file is empty/,
      /p0\.txt/,
    ],
  ];
  it('no folder, or a file in place of one', async () => {
    const target = join(temporaryFolder(), 'run');
    const from = folderOf({ 'captions.csv': 'image,caption\n' });
    const of = (name: string) => writePhotoProject(target, { from: join(from, name), gpu: false });
    await assert.rejects(of('no'), /a folder of photos is not there[\s\S]*no such folder/);
    await assert.rejects(
      of('captions.csv'),
      /a folder of photos is not there[\s\S]*a file[\s\S]*name the folder/,
    );
    assert.ok(!existsSync(target));
  });

  for (const [what, files, ...messages] of cases) {
    it(what, async () => {
      const target = join(temporaryFolder(), 'run');
      await assert.rejects(writePhotoProject(target, { from: folderOf(files), gpu: false }), (error) => {
        assert.ok(error instanceof DataError, String(error));
        for (const message of messages) assert.match(error.message, message);
        return true;
      });
    });
  }
});
