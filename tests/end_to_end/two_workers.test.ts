import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { contentOf, logLines, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

const folder = temporaryFolder();

describe('lavis train --nproc-per-node 2', () => {
  let tiny: TinyRun;
  // What ranks draw for themselves is out of the comparison.
  const still = ['model.vit_drop_path_rate=0'];
  const train = (name: string, workers: number, ...options: string[]) => {
    const argv = ['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu'];
    const rest = [
      '--nproc-per-node',
      String(workers),
      '--options',
      ...tiny.output(name),
      ...still,
      ...options,
    ];
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
    assert.deepEqual(Object.keys(actual), Object.keys(expected));
    const norm = (values: Float32Array) => Math.hypot(...values);
    let compared = 0;
    for (const [name, values] of Object.entries(expected)) {
      // position_ids; and key biases, whose gradient is zero but for rounding, of which AdamW makes steps.
      if (!(values instanceof Float32Array) || name.endsWith('key.bias')) continue;
      const key = (i: number) => name.endsWith('qkv.bias') && Math.floor((3 * i) / values.length) === 1;
      const apartBy = values.map((value, i) => (key(i) ? 0 : value - actual[name][i]));
      const difference = norm(apartBy) / norm(values);
      assert.ok(difference < 1e-5, `${name}: relative difference ${difference}`);
      compared++;
    }
    assert.ok(compared > 40, `${compared} parameters`);
    const scores = (job: string) => JSON.parse(logLines(job).at(-1)!);
    assert.deepEqual(Object.keys(scores(two)), Object.keys(scores(one)));
    const loss = (job: string) => Number(JSON.parse(logLines(job)[0]).train_loss);
    assert.ok(Math.abs(loss(two) - loss(one)) <= 0.002);
  });

  it('ends with the same bits on both ranks, whatever each draws for itself', () => {
    const plugin = join(import.meta.dirname, 'digests.js');
    for (const accumulated of [1, 2]) {
      const options = ['run.runner=digests', `run.accum_grad_iters=${accumulated}`];
      const noise = ['model.vit_drop_path_rate=0.2', '--plugin', plugin];
      const job = train(`bits_${accumulated}`, 2, ...options, ...noise);
      const digest = (when: string, rank: number) =>
        readFileSync(join(job, `${when}_${rank}.digest`), 'utf8');
      assert.equal(digest('end', 0), digest('end', 1), `accum_grad_iters=${accumulated}`);
      assert.notEqual(digest('end', 0), digest('start', 0));
    }
  });
});
