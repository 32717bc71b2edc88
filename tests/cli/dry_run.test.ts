import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { Config } from '#src/index.js';
import { adviceOf, estimateMemory } from '#src/runs/memory_estimate.js';
import { lavis } from '../end_to_end/lavis.js';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

describe('lavis train --dry-run', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder, { save_freq: 1 });
  });

  it('tells what the run takes, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await lavis(
      ...['train', '--dry-run', '--cfg-path', tiny.yaml, '--device', 'cpu'],
      ...['--options', ...tiny.output('never'), 'run.accum_grad_iters=3', 'run.val_loss=True'],
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^parameters +[\d,]+, [\d,]+ of them trained$/m);
    assert.match(stdout, /^step +[\d.]+ s, batch 2 \(an update every 3\), loss [\d.]+, loss_lm [\d.]+$/m);
    assert.match(stdout, /^evaluation +[\d.]+ s a batch of 2, the first: '.*'$/m);
    assert.match(stdout, /^val loss +[\d.]+ s a batch of 2, loss [\d.]+$/m);
    assert.match(stdout, /^memory +\d+ MB at most, of \d+ GB$/m);
    assert.match(stdout, /^checkpoint +\d+ kB, written and read again$/m);
    // ten samples, two epochs of five; val after each, test at the end
    assert.match(stdout, /^the run +00:\d\d:\d\d: 10 steps, 3 evaluations$/m);
    // two numbered ones, of which the second is being written, the best and the latest
    assert.match(stdout, /^disk +\d+ kB for 4 checkpoints; .* are free$/m);
    assert.doesNotMatch(stdout, /Memory is short/);
    assert.ok(!existsSync(join(folder, 'never')));
    assert.doesNotMatch(stderr, /dry-run-|lavis watch/, 'names no folder that is gone again');
  });

  it('leaves the output folder of other runs as it is', async () => {
    mkdirSync(join(folder, 'there', 'job'), { recursive: true });
    const { code, stderr } = await lavis(
      ...['train', '--dry-run', '--cfg-path', tiny.yaml, '--device', 'cpu'],
      ...['--options', ...tiny.output('there'), 'run.runner=runner_iter', 'run.max_iters=4'],
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(readdirSync(join(folder, 'there')), ['job']);
  });

  it('says which keys save memory, as far as they can', async () => {
    const advice = async (...options: string[]) =>
      adviceOf(await Config.fromFile(tiny.yaml, options), 9e9, 10e9).join('\n');
    assert.match(
      await advice('run.batch_size_train=7', 'run.accum_grad_iters=2'),
      /run\.batch_size_train=3 run\.accum_grad_iters=5[\s\S]*vit_grad_ckpt=True model\.vit_ckpt_layer=2/,
    );
    const least = await advice('run.batch_size_train=1', 'model.vit_grad_ckpt=True');
    assert.match(least, /^a smaller model\.image_size/);
    assert.deepEqual(adviceOf(await Config.fromFile(tiny.yaml), 8e9, 10e9), []);
  });

  it('estimates four numbers a parameter, and fewer activations where blocks are computed again', async () => {
    let runs = 0;
    const estimate = async (...options: string[]) => {
      const { settings, model } = await tiny.runner(`estimate_${runs++}`, options);
      return estimateMemory(model, settings)!;
    };
    const plain = await estimate();
    assert.equal(plain.moments, 2 * plain.gradients);
    assert.ok(plain.weights >= plain.gradients);
    const saving = await estimate('model.vit_grad_ckpt=True', 'model.vit_ckpt_layer=2');
    assert.ok(saving.activations! < plain.activations!);
    const twice = await estimate('run.batch_size_train=4');
    assert.equal(twice.activations, 2 * plain.activations!);
  });
});
