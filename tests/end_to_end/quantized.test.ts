import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder, lavis } from './lavis.js';

const folder = temporaryFolder();

describe('weights in 8 bits', () => {
  let tiny: TinyRun;
  let checkpoint: string;
  before(async () => {
    tiny = await tinyRun(folder);
    const options = [...tiny.output('out'), 'run.max_epoch=1'];
    const { code, stderr } = await lavis(
      'train',
      '--cfg-path',
      tiny.yaml,
      '--device',
      'cpu',
      '--options',
      ...options,
    );
    assert.equal(code, 0, stderr);
    checkpoint = join(jobFolder(join(folder, 'out')), 'checkpoint_best.pth');
  });

  it('evaluate a run, and caption an image', async () => {
    const evaluated = await lavis(
      ...['eval', '--cfg-path', tiny.yaml, '--device', 'cpu', '--checkpoint', checkpoint],
      ...['--options', ...tiny.output('eval'), 'run.quantize=int8'],
    );
    assert.equal(evaluated.code, 0, evaluated.stderr);
    assert.match(evaluated.stdout, /^test:\n( {2}\w+ +[\d.]+\n)+$/);
    const captioned = await lavis(
      ...['caption', join(folder, 'images', 'tiny_1.png'), '--cfg-path', tiny.yaml],
      ...['--checkpoint', checkpoint, '--device', 'cpu', '--quantize', 'int8'],
    );
    assert.equal(captioned.code, 0, captioned.stderr);
    assert.match(captioned.stdout, /tiny_1\.png/);
  });

  it('are refused for training, with what to do', async () => {
    const { code, stderr } = await lavis(
      ...['train', '--cfg-path', tiny.yaml, '--options', ...tiny.output('no'), 'run.quantize=int8'],
    );
    assert.equal(code, 1);
    assert.match(stderr, /run\.quantize is for evaluations/);
    assert.match(stderr, /lavis eval/);
  });

  it('are of 8 bits', async () => {
    const { code, stderr } = await lavis('caption', 'x.png', '--cfg-path', tiny.yaml, '--quantize', 'int4');
    assert.notEqual(code, 0);
    assert.match(stderr, /int8/);
  });
});
