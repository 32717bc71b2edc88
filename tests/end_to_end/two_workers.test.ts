import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { contentOf, logLines, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

const folder = temporaryFolder();

describe('lavis train --nproc-per-node 2', () => {
  let tiny: TinyRun;
  const train = (name: string, workers: number, ...options: string[]) => {
    const argv = ['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu'];
    const rest = ['--nproc-per-node', String(workers), '--options', ...tiny.output(name), ...options];
    const { status, stderr } = spawnSync(process.execPath, [...argv, ...rest], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return jobFolder(join(folder, name));
  };

  before(async () => {
    tiny = await tinyRun(folder, { accum_grad_iters: 2 }, 0);
  });

  it('with half the batch each ends with the weights and scores of one worker with the whole batch', async () => {
    const [one, two] = [train('one', 1, 'run.batch_size_train=4'), train('two', 2, 'run.batch_size_train=2')];
    const weights = async (job: string) =>
      ((await contentOf(join(job, 'checkpoint_1.pth'))) as { model: Record<string, ArrayLike<number>> })
        .model;
    const [expected, actual] = [await weights(one), await weights(two)];
    // An untrained decoder hardly looks at the image: AdamW makes whole steps of the rounding of those
    // gradients. The word embeddings and the language model's head have gradients that count.
    for (const [name, values] of Object.entries(expected)) {
      if (!/embeddings\.\w+\.weight|\.cls\./.test(name)) continue;
      for (let i = 0; i < values.length; i++) {
        const difference = Math.abs(values[i] - actual[name][i]);
        assert.ok(difference < 1e-4, `${name}[${i}]: ${actual[name][i]}, one worker has ${values[i]}`);
      }
    }
    const scores = (job: string) => JSON.parse(logLines(job).at(-1)!);
    assert.deepEqual(Object.keys(scores(two)), Object.keys(scores(one)));
    const loss = (job: string) => Number(JSON.parse(logLines(job)[0]).train_loss);
    assert.ok(Math.abs(loss(two) - loss(one)) <= 0.002);
  });
});
