import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder, lavis } from './lavis.js';

const folder = temporaryFolder();

describe('a run from the command line', () => {
  let tiny: TinyRun;
  let job: string;
  const train = (name: string, ...rest: string[]) =>
    lavis(
      'train',
      '--cfg-path',
      tiny.yaml,
      '--device',
      'cpu',
      ...flags(rest),
      '--options',
      ...tiny.output(name),
      ...keys(rest),
    );
  const flags = (rest: string[]) => rest.filter((word) => word.startsWith('--'));
  const keys = (rest: string[]) => rest.filter((word) => !word.startsWith('--'));

  before(async () => {
    tiny = await tinyRun(folder);
    const { code, stdout, stderr } = await train('out');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^test:\n( {2}\w+ +[\d.]+\n)+$/);
    assert.match(
      stderr,
      /^Training for 2 epochs\nLogs and checkpoints go to (.*)\nTo follow the run: (?:npx )?lavis watch \1$/m,
    );
    job = jobFolder(join(folder, 'out'));
  });

  it("writes the reference's files: log.txt, evaluate.txt, result/, checkpoints by epoch and the best", () => {
    const lines = readFileSync(join(job, 'log.txt'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(lines[0].run.task, 'captioning');
    assert.deepEqual(
      lines.slice(1).map((line) => Object.keys(line)[0]),
      ['train_lr', 'val_Bleu_1', 'train_lr', 'val_Bleu_1', 'test_Bleu_1'],
    );
    assert.match(lines[1].train_loss, /^\d+\.\d{3}$/);
    assert.equal(typeof lines[2].val_best_epoch, 'number');
    const evaluations = readFileSync(join(job, 'evaluate.txt'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      evaluations.map((line) => Object.keys(JSON.parse(line))[0]),
      ['val', 'val', 'test'],
    );
    for (const name of ['val_epoch0', 'val_epoch1', 'test_epochbest']) {
      const results = JSON.parse(readFileSync(join(job, 'result', `${name}.json`), 'utf8'));
      assert.equal(results.length, 3);
      assert.deepEqual(Object.keys(results[0]), ['caption', 'image_id', 'log_probability']);
    }
    for (const name of ['0', '1', 'best']) assert.ok(existsSync(join(job, `checkpoint_${name}.pth`)), name);
  });

  it('lavis eval scores a checkpoint as the run itself did', async () => {
    const lines = readFileSync(join(job, 'log.txt'), 'utf8').trimEnd().split('\n');
    const scores = JSON.parse(lines.at(-1)!);
    const best = join(job, 'checkpoint_best.pth');
    const { code, stdout, stderr } = await lavis(
      ...['eval', '--cfg-path', tiny.yaml, '--device', 'cpu', '--checkpoint', best],
      ...['--options', ...tiny.output('eval')],
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`CIDEr +${scores.test_CIDEr.toFixed(4)}\n`));
    assert.match(stdout, new RegExp(`Bleu_1 +${scores.test_Bleu_1.toFixed(4)}\n`));
  });

  it('lavis caption uses the weights that the run made', async () => {
    const image = join(folder, 'images', 'tiny_4.png');
    const results = JSON.parse(readFileSync(join(job, 'result', 'test_epochbest.json'), 'utf8'));
    const { code, stdout, stderr } = await lavis(
      ...['caption', image, '--cfg-path', tiny.yaml, '--device', 'cpu', '--options', ...tiny.output('out')],
    );
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${image}: ${results[0].caption}\n`);
    const drawn = await lavis(
      ...[
        'caption',
        image,
        '--cfg-path',
        tiny.yaml,
        '--device',
        'cpu',
        '--checkpoint',
        join(job, 'checkpoint_0.pth'),
      ],
      ...['--nucleus', '--num-captions', '3', '--json'],
    );
    assert.equal(drawn.code, 0, drawn.stderr);
    const [found] = JSON.parse(drawn.stdout);
    assert.equal(found.image, image);
    assert.equal(found.captions.length, 3);
    assert.ok(
      found.log_probabilities.every((value: number) => value < 0),
      drawn.stdout,
    );
  });

  it('--resume goes on in the folder of the newest checkpoint, and remembers the best score', async () => {
    const before = readFileSync(join(job, 'log.txt'), 'utf8').split('\n');
    const { code, stderr } = await train('out', '--resume', 'run.max_epoch=3');
    assert.equal(code, 0, stderr);
    assert.equal(basename(jobFolder(join(folder, 'out'))), basename(job));
    const after = readFileSync(join(job, 'log.txt'), 'utf8').split('\n');
    assert.deepEqual(after.slice(1, 5), before.slice(1, 5));
    assert.match(stderr, /Resumed from .*: epoch 2, step 0/);
    const [first, second, third] = [2, 4, 6].map((line) => JSON.parse(after[line]));
    const bestBefore = Math.max(first.val_agg_metrics, second.val_agg_metrics);
    assert.equal(third.val_best_epoch, third.val_agg_metrics > bestBefore ? 2 : second.val_best_epoch);
  });

  it('--resume of a finished run says so, and tests it again', async () => {
    const { code, stdout, stderr } = await train('out', '--resume', 'run.max_epoch=3');
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /^Nothing is left to train: 3 epochs are done \(a larger run\.max_epoch goes on\)$/m,
    );
    assert.doesNotMatch(stderr, /Training for/);
    assert.match(stdout, /^test:\n/);
  });

  it('a broken newest checkpoint is passed over on --resume, a missing best one is told', async () => {
    const first = await train('broken', 'run.max_epoch=1', 'run.save_freq=1');
    assert.match(first.stderr, /^Training for 1 epoch$/m);
    const broken = jobFolder(join(folder, 'broken'));
    rmSync(join(broken, 'checkpoint_best.pth'));
    writeFileSync(
      join(broken, 'checkpoint_7.pth'),
      readFileSync(join(broken, 'checkpoint_0.pth')).subarray(0, 9000),
    );
    const { code, stderr } = await train('broken', '--resume', 'run.max_epoch=1');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /checkpoint_7\.pth is passed over/);
    assert.match(stderr, /Resumed from .*checkpoint_0\.pth/);
    assert.match(stderr, /checkpoint_best\.pth is gone/);
  });
});
