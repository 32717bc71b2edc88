import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { fixture, temporaryFolder } from '../support.js';
import { lavis } from './lavis.js';

const folder = temporaryFolder();
let tiny: TinyRun;

/** `lavis train` with some options; the message of its failure. */
async function failure(...options: string[]): Promise<string> {
  const { code, stdout, stderr } = await lavis(
    ...['train', '--cfg-path', tiny.yaml, '--device', 'cpu', '--options', ...tiny.output('bad'), ...options],
  );
  assert.equal(code, 1, `${stdout}${stderr}`);
  assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
  return stderr;
}

/** The option that makes another file the train annotations. */
function annotations(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return `datasets.coco_caption.build_info.annotations.train.storage=${path}`;
}

const entry = (image: string) => ({ image, image_id: image, caption: 'a red ball' });

describe('bad input ends in one clear message', () => {
  before(async () => {
    tiny = await tinyRun(folder);
  });

  it('a missing configuration, and broken YAML with line and column', async () => {
    const missing = await lavis('train', '--cfg-path', join(folder, 'nowhere.yaml'));
    assert.match(missing.stderr, /there is no configuration file/);
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'model:\n  arch: blip_caption\n  image_size: [1, 2\nrun: {}\n');
    const { code, stderr } = await lavis('train', '--cfg-path', broken);
    assert.equal(code, 1);
    assert.match(stderr, /broken\.yaml:4:\d+/);
  });

  const names: [what: string, option: string, message: RegExp][] = [
    ['architecture', 'model.arch=blip_captoin', /'blip_captoin'; did you mean 'blip_caption'/],
    ['model type', 'model.model_type=base_cocoa', /'base_cocoa'.*did you mean 'base_coco'/s],
    ['dataset', 'datasets.coco_captions.vis_processor=null', /'coco_captions'; did you mean 'coco_caption'/],
    [
      'processor',
      'datasets.coco_caption.vis_processor.eval.name=blip_image_evil',
      /'blip_image_evil'.*did you mean 'blip_image_eval'/s,
    ],
    ['task', 'run.task=captoning', /'captoning'; did you mean 'captioning'/],
    ['runner', 'run.runner=runner_bas', /'runner_bas'; did you mean 'runner_base'/],
    ['scheduler', 'run.lr_sched=linear_warmup_cosine', /did you mean 'linear_warmup_cosine_lr'/],
    ['key', 'run.max_epochs=3', /max_epochs.*did you mean 'max_epoch'/s],
  ];
  for (const [what, option, message] of names) {
    it(`an unknown ${what} lists the nearest names`, async () => {
      assert.match(await failure(option), message);
    });
  }

  it('a wrong type names the key and what it may be', async () => {
    const message = await failure('run.max_epoch=five');
    assert.match(message, /max_epoch/);
    assert.match(message, /five/);
    assert.match(message, /number/);
  });

  it('a missing image and a truncated JPEG name file and annotation', async () => {
    const images = join(folder, 'images');
    mkdirSync(images, { recursive: true });
    const whole = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer();
    writeFileSync(join(images, 'cut.jpg'), whole.subarray(0, 200));
    const present = entry('tiny_1.png');
    const missing = annotations('missing.json', JSON.stringify([present, entry('gone.png')]));
    assert.match(await failure(missing), /gone\.png/);
    const truncated = annotations('truncated.json', JSON.stringify([present, entry('cut.jpg')]));
    const message = await failure(truncated);
    assert.match(message, /cut\.jpg/);
    assert.match(message, /truncated\.json, entry 1/);
  });

  it('annotations that are no JSON or lack a key say where', async () => {
    assert.match(await failure(annotations('text.json', 'not json')), /text\.json/);
    const { caption: _, ...bare } = entry('tiny_2.png');
    const message = await failure(annotations('bare.json', JSON.stringify([entry('tiny_1.png'), bare])));
    assert.match(message, /bare\.json/);
    assert.match(message, /entry 1|index 1/);
    assert.match(message, /caption/);
  });

  it('a checkpoint that is none, and one of another architecture', async () => {
    const text = join(folder, 'text.pth');
    writeFileSync(text, 'hello');
    assert.match(await failure(`run.resume_ckpt_path=${text}`), /not a checkpoint/);
    const other = fixture('tiny_caption', 'weights.pth');
    assert.match(
      await failure('model.load_finetuned=True', `model.finetuned=${other}`),
      /another architecture or size/,
    );
    const resume = fixture('tiny_caption', 'resume', 'checkpoint_0.pth');
    assert.match(await failure(`run.resume_ckpt_path=${resume}`), /belongs to another model/);
  });

  it('an empty dataset, and a batch larger than the dataset', async () => {
    assert.match(await failure(annotations('empty.json', '[]')), /empty/);
    const message = await failure('run.batch_size_train=11');
    assert.match(message, /a batch is larger than the dataset/);
    assert.match(message, /run\.batch_size_train=10/);
  });

  it('everything that is missing is told before training starts, in one message', async () => {
    const { code, stderr } = await lavis(
      ...['train', '--cfg-path', 'projects/blip/train/caption_coco_ft.yaml', '--device', 'cpu', '--options'],
      ...[`env.cache_root=${join(folder, 'cache')}`, 'run.distributed=False', ...tiny.output('nothing')],
      ...[
        'datasets.coco_caption.build_info.images.storage=/nowhere/images',
        'model.pretrained=/nowhere/weights.pth',
      ],
      ...['train', 'val', 'test'].map(
        (split) => `datasets.coco_caption.build_info.annotations.${split}.storage=/nowhere/${split}.json`,
      ),
      ...['train', 'val', 'test'].map(
        (split) =>
          `datasets.coco_caption.build_info.annotations.${split}.url=http://127.0.0.1:9/${split}.json`,
      ),
      `model.tokenizer=${fixture('tiny_caption', 'vocab.txt')}`,
    );
    assert.equal(code, 1);
    assert.match(stderr, /2 things are needed before the run can start:\n1\. .*\n {2}/);
    assert.match(stderr, /http:\/\/127\.0\.0\.1:9\/train\.json/);
    assert.match(stderr, /\/nowhere\/train\.json/);
    assert.match(stderr, /build_info\.annotations\.train\.storage=/);
    assert.match(stderr, /\/nowhere\/weights\.pth/);
    assert.doesNotMatch(stderr, /Training for/);
    assert.ok(readFileSync(tiny.yaml).length > 0);
  });

  it('lavis caption: an image that is not there, and weights that nobody trained', async () => {
    const missing = await lavis('caption', '/nowhere.png', '--model', 'blip_caption');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /\/nowhere\.png/);
    const image = join(folder, 'images', 'tiny_1.png');
    const untrained = await lavis(
      'caption',
      image,
      '--cfg-path',
      tiny.yaml,
      '--options',
      ...tiny.output('never'),
    );
    assert.equal(untrained.code, 1);
    assert.match(
      untrained.stderr,
      /CheckpointError: the YAML names no weights, and none were trained under[\s\S]*--checkpoint FILE/,
    );
    const typeless = await lavis('caption', image, '--model-type', 'base_cocoa');
    assert.match(typeless.stderr, /no model type of blip_caption[\s\S]*did you mean 'base_coco'/);
    const twice = await lavis('caption', image, '--model-type', 'base_coco', '--cfg-path', tiny.yaml);
    assert.match(twice.stderr, /--model-type and --cfg-path both say which model it is/);
    for (const [command, ...more] of [['eval'], ['train', 'run.evaluate=True']]) {
      const options = ['--cfg-path', tiny.yaml, '--options', ...tiny.output('never'), ...more];
      const scored = await lavis(command, ...options, 'run.test_splits=[val]');
      assert.equal(scored.code, 1, scored.stderr);
      assert.match(
        scored.stderr,
        /CheckpointError: there are no weights to evaluate[\s\S]*--checkpoint FILE/,
      );
    }
  });
});
