import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { distribution } from '#src/reports/data_survey/describe.js';
import { lavis } from '../end_to_end/lavis.js';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const sheet = join(folder, 'sheet.png');

describe('lavis data', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder);
  });
  const survey = (...options: string[]) =>
    lavis('data', '--cfg-path', tiny.yaml, '--sheet', sheet, '--options', ...tiny.output('out'), ...options);

  it('counts samples, words and tokens, and sees that val is trained on', async () => {
    const { code, stdout, stderr } = await survey();
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^coco_caption train: 10 samples\n {2}words {6}3 to 3, half up to 3, 95% up to 3$/m);
    assert.match(stdout, /truncated +0 of 10 texts \(0\.00%\)/);
    assert.match(stdout, /images +10, 10 of them decoded, 40x32 to 40x32/);
    assert.match(stdout, /^coco_caption val: 3 images[\s\S]*ids +all 3 are in the ground truth/m);
    assert.match(stdout, /LEAK +3 \(.*tiny_1\.png.*\) of its images are trained on/);
  });

  it('says how many captions are cut off, with the tokens of the prompt counted', async () => {
    const whole = (await survey()).stdout;
    const [, most] = /tokens +\d+ to (\d+)/.exec(whole)!;
    const { stdout } = await survey(`model.max_txt_len=${Number(most) - 1}`);
    assert.match(stdout, /truncated +[1-9]\d* of 10 texts/);
    assert.match(stdout, /longest +a \w+ ball/);
  });

  it('counts captions without a word, garbled ones and words that the vocabulary lacks', async () => {
    const annotations = JSON.parse(readFileSync(join(folder, 'train.json'), 'utf8'));
    const captions = ['...', 'a cafÃ© ball', 'a \u{1F600} ball', 'a \u{1F600} box'];
    const entries = captions.map((caption, i) => ({ ...annotations[i], caption }));
    const file = join(folder, 'odd.json');
    writeFileSync(file, JSON.stringify(entries));
    const { code, stdout, stderr } = await survey(
      `datasets.coco_caption.build_info.annotations.train.storage=${file}`,
    );
    assert.equal(code, 1);
    assert.match(stdout, /EMPTY +texts without a word: 1 \("\.\.\." in .*odd\.json, entry 0\)/);
    assert.match(stdout, /GARBLED .*1 \("a cafÃ© ball"\)/);
    assert.match(stdout, /\[UNK\] +in \d of 4 texts; the words: \d \(.*\u{1F600}/u);
    assert.match(stderr, /1 of 4 captions have no word/);
    writeFileSync(file, JSON.stringify([{ ...annotations[0], caption: 'nan' }, annotations[1]]));
    const nothing = await survey(`datasets.coco_caption.build_info.annotations.train.storage=${file}`);
    assert.match(nothing.stdout, /EMPTY +texts without a word: 1 \("nan" in/);
    assert.equal(nothing.code, 1);
  });

  it('--new-words writes what the vocabulary lacks, and model.added_words takes it', async () => {
    const annotations = JSON.parse(readFileSync(join(folder, 'train.json'), 'utf8'));
    const captions = ['Größe: a ball', 'die größe', 'ein ñandú', 'a moose 犬', 'a moose'];
    const file = join(folder, 'others.json');
    writeFileSync(file, JSON.stringify(captions.map((caption, i) => ({ ...annotations[i], caption }))));
    const words = join(folder, 'words.txt');
    const options = [
      `datasets.coco_caption.build_info.annotations.train.storage=${file}`,
      'model.strip_accents=False',
    ];
    const args = ['data', '--cfg-path', tiny.yaml, '--sheet', sheet, '--new-words', words, '--options'];
    const { code, stdout, stderr } = await lavis(...args, ...tiny.output('out'), ...options);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /words\.txt: 11 words; model\.added_words takes it/);
    // Letters first; then words of three pieces and more that come twice: "ñandú" comes once.
    assert.deepEqual(readFileSync(words, 'utf8').trimEnd().split('\n'), [
      ...['ß', '##ß', 'ñ', '##ñ', 'ö', '##ö', 'ú', '##ú', '犬'],
      ...['größe', 'moose'],
    ]);
    assert.match((await survey(...options)).stdout, /\[UNK\] +in 4 of 5/);
    const added = await survey(...options, `model.added_words=${words}`);
    assert.match(added.stdout, /\[UNK\] +in 0 of 5 texts/);
  });

  it('refuses a split that no dataset has, as a run does', async () => {
    const { code, stdout, stderr } = await survey(
      'datasets.coco_caption.build_info.annotations.val=null',
      'run.test_splits=[]',
    );
    assert.equal(code, 1);
    assert.match(stdout, /coco_caption train: 10 samples/);
    assert.match(stderr, /ConfigError: no dataset has the split 'val'/);
  });

  it('draws what the model will see: the colours of the pictures, normalisation undone', async () => {
    await survey('datasets.coco_caption.vis_processor.train.name=blip_image_eval');
    const { data, info } = await sharp(sheet).raw().toBuffer({ resolveWithObject: true });
    const pixel = (x: number, y: number) => [
      ...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3),
    ];
    // the first three in train are red, green (CSS's, half as bright) and blue
    for (const [i, colour] of [
      [255, 0, 0],
      [0, 128, 0],
      [0, 0, 255],
    ].entries()) {
      pixel(110 + 210 * i, 140).forEach((value, channel) => {
        assert.ok(Math.abs(value - colour[channel]) <= 1, `${i}: ${pixel(110 + 210 * i, 140)}`);
      });
    }
  });

  it('shows both images of a sample that has two', async () => {
    const yaml = join(folder, 'two_images.yaml');
    const drawn = join(folder, 'shapes_nlvr');
    writeFileSync(
      yaml,
      `model: {arch: blip_nlvr, model_type: shapes}
datasets: {shapes_nlvr: {build_info: {storage: ${drawn}, scenes: {train: 2, val: 1, test: 1}}}}
run: {task: multimodal_classification, lr_sched: constant_lr, init_lr: 1.0e-3, max_epoch: 1, batch_size_train: 1, train_splits: [train], output_dir: ${folder}/out}
`,
    );
    const both = join(folder, 'both.png');
    const { code, stdout, stderr } = await lavis('data', '--cfg-path', yaml, '--sheet', both);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^shapes_nlvr train: 2 samples[\s\S]*\[UNK\] +in 0 of[\s\S]*images +4, 4 of them decoded/m,
    );
    // Twice as wide as high: above and below the pair is the color of an empty cell.
    const cell = sharp(both).extract({ left: 10, top: 44, width: 200, height: 200 });
    const { data } = await cell.raw().toBuffer({ resolveWithObject: true });
    const row = (y: number) => [...data.subarray(3 * 200 * y, 3 * 200 * (y + 1))];
    assert.ok(row(40).every((value) => value === 0xdd));
    assert.ok(row(100).some((value) => value !== 0xdd));
  });

  it('says that the contact sheet cannot be written, and how to have it elsewhere', async () => {
    const inFile = join(tiny.yaml, 'sheet.png');
    const { code, stderr } = await lavis(
      ...['data', '--cfg-path', tiny.yaml, '--sheet', inFile, '--options', ...tiny.output('out')],
    );
    assert.equal(code, 1);
    assert.match(stderr, /the contact sheet cannot be written[\s\S]*sheet\.png[\s\S]*--sheet FILE/);
    assert.doesNotMatch(stderr, /vips/);
  });

  it('lists missing and broken images, and ids that the ground truth lacks, and exits with 1', async () => {
    rmSync(join(folder, 'images', 'tiny_8.png'));
    const whole = readFileSync(join(folder, 'images', 'tiny_9.png'));
    writeFileSync(join(folder, 'images', 'tiny_9.png'), whole.subarray(0, 40));
    const truth = join(folder, 'truth.json');
    const annotations = [1, 2, 77].map((image_id, id) => ({ image_id, caption: 'a ball', id }));
    writeFileSync(
      truth,
      JSON.stringify({ images: annotations.map(({ image_id: id }) => ({ id })), annotations }),
    );
    const { code, stdout } = await survey(`run.annotation_file=${truth}`);
    assert.equal(code, 1);
    assert.match(stdout, /MISSING +1 \(.*tiny_8\.png\)/);
    assert.match(stdout, /BROKEN +1 \(.*tiny_9\.png \(/);
    assert.match(stdout, /IDS +1 \(3\) are not in the ground truth/);
    assert.match(stdout, /ids +1 \(77\) of the ground truth have no image here/);
  });

  it('reads shares off sorted values', () => {
    assert.equal(distribution([4, 1, 3, 2]), '1 to 4, half up to 2, 95% up to 4');
    assert.equal(distribution([7]), '7 to 7, half up to 7, 95% up to 7');
  });
});
