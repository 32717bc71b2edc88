import assert from 'node:assert/strict';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { RunInterrupted } from '#src/common/errors.js';
import type { RunHook } from '#src/runners/index.js';
import { temporaryFolder } from '../support.js';
import { contentOf, logLines, type TinyRun, tinyRun } from './tiny_run.js';

/** Sends this process a SIGINT after so many micro-steps in all. */
function stopAfter(steps: number): RunHook {
  let done = 0;
  return {
    afterStep: () => {
      if (++done === steps) process.kill(process.pid, 'SIGINT');
    },
  };
}

const folder = temporaryFolder();
const [other, temporary] = [temporaryFolder(), temporaryFolder()];
const QUIET = ['run.test_splits=[]'];

/** Runs to the end; with `stops`, is stopped after each of them and resumed. @returns the job's folder */
async function train(tiny: TinyRun, name: string, options: string[], stops: RunHook[] = []): Promise<string> {
  let resume: string[] = [];
  for (const hook of [...stops, undefined]) {
    const runner = await tiny.runner(name, [...QUIET, ...options, ...resume], hook ? [hook] : []);
    try {
      await runner.train();
      assert.equal(hook, undefined, 'the run was not stopped');
      return runner.folder.path;
    } catch (thrown) {
      if (!(thrown instanceof RunInterrupted)) throw thrown;
      assert.equal(thrown.exitCode, 130);
      assert.equal(thrown.checkpoint, join(runner.folder.path, 'checkpoint_latest.pth'));
      resume = [`run.resume_ckpt_path=${thrown.checkpoint}`];
    } finally {
      runner.model.dispose();
    }
  }
  throw new Error('unreachable');
}

async function assertSameRun(actual: string, expected: string, checkpoint: string): Promise<void> {
  assert.deepEqual(logLines(actual), logLines(expected));
  assert.deepEqual(await contentOf(join(actual, checkpoint)), await contentOf(join(expected, checkpoint)));
}

describe('a run that is stopped and resumed ends with bit-equal weights, moments and log', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder);
  });

  it('after any micro-step of two epochs, between updates too', async () => {
    const options = ['run.accum_grad_iters=2'];
    const whole = await train(tiny, 'whole', options);
    for (const steps of [1, 2, 5, 6, 9]) {
      const resumed = await train(tiny, `stopped_${steps}`, options, [stopAfter(steps)]);
      await assertSameRun(resumed, whole, 'checkpoint_1.pth');
    }
  });

  it('stopped twice, with two workers reading the data', async () => {
    const whole = await train(tiny, 'one_thread', []);
    const resumed = await train(tiny, 'two_workers', ['run.num_workers=2'], [stopAfter(3), stopAfter(4)]);
    await assertSameRun(resumed, whole, 'checkpoint_1.pth');
  });

  it('in the middle of an evaluation, whose captions are drawn at random', async () => {
    const options = ["run.valid_splits=['val','test']", 'run.use_nucleus_sampling=True'];
    const whole = await train(tiny, 'evaluated', options);
    const hook: RunHook = {
      afterEvaluation: (_, split) => void (split === 'val' && process.kill(process.pid, 'SIGINT')),
    };
    const resumed = await train(tiny, 'stopped_evaluating', options, [hook]);
    await assertSameRun(resumed, whole, 'checkpoint_1.pth');
  });

  it('killed between the best checkpoint and the numbered one of the last epoch', async () => {
    const options = ['run.max_epoch=1'];
    const whole = await train(tiny, 'best_only', options);
    const expected = await contentOf(join(whole, 'checkpoint_0.pth'));
    rmSync(join(whole, 'checkpoint_0.pth'));
    const best = `run.resume_ckpt_path=${join(whole, 'checkpoint_best.pth')}`;
    const resumed = await train(tiny, 'best_only', [...options, best]);
    assert.equal(resumed, whole);
    assert.deepEqual(await contentOf(join(resumed, 'checkpoint_0.pth')), expected);
  });

  it('under runner_iter, whose inner epochs are not the passes over the data', async () => {
    const options = ['run.runner=runner_iter', 'run.max_iters=11', 'run.iters_per_inner_epoch=4'];
    const whole = await train(tiny, 'iters', options);
    for (const steps of [3, 6]) {
      const resumed = await train(tiny, `iters_${steps}`, options, [stopAfter(steps)]);
      await assertSameRun(resumed, whole, 'checkpoint_11.pth');
    }
  });

  it('from a checkpoint of save_every_iters into another folder', async () => {
    const options = ['run.save_every_iters=3'];
    const saved = join(tiny.folder, 'in_between.pth');
    // a finished run keeps no latest state
    const keep: RunHook = {
      afterRound: ({ folder: { path } }) => copyFileSync(join(path, 'checkpoint_latest.pth'), saved),
    };
    const runner = await tiny.runner('saved', [...QUIET, ...options], [keep]);
    await runner.train();
    runner.model.dispose();
    const whole = runner.folder.path;
    assert.ok(!existsSync(join(whole, 'checkpoint_latest.pth')));
    const resume = [`run.resume_ckpt_path=${saved}`];
    const resumed = await train(tiny, 'elsewhere', [...options, ...resume]);
    await assertSameRun(resumed, whole, 'checkpoint_1.pth');
  });

  it('of pretraining too, whose momentum copies and queues have moved on', async () => {
    const model = { arch: 'blip_pretrain', model_type: 'base', embed_dim: 8, queue_size: 8 };
    const run = { task: 'image_text_pretrain', valid_splits: [] };
    const pretraining = await tinyRun(other, run, 0.1, { model });
    const whole = await train(pretraining, 'whole', []);
    const { model: ended } = (await contentOf(join(whole, 'checkpoint_1.pth'))) as {
      model: Record<string, Float32Array>;
    };
    assert.equal(Number(ended.queue_ptr[0]), (2 * 10) % 8, 'ten batches of two');
    for (const steps of [1, 4, 5, 7]) {
      const resumed = await train(pretraining, `stopped_${steps}`, [], [stopAfter(steps)]);
      await assertSameRun(resumed, whole, 'checkpoint_1.pth');
    }
    const stops = [stopAfter(3), stopAfter(3)];
    const accumulated = ['run.accum_grad_iters=2'];
    const expected = await train(pretraining, 'accumulated', accumulated);
    const resumed = await train(pretraining, 'accumulated_stopped', accumulated, stops);
    await assertSameRun(resumed, expected, 'checkpoint_1.pth');
  });

  it('of retrieval too, in the middle of comparing images with texts as well', async () => {
    const model = {
      arch: 'blip_retrieval',
      prompt: undefined,
      model_type: 'coco',
      embed_dim: 8,
      queue_size: 8,
    };
    const run = { task: 'retrieval', k_test: 2, valid_splits: ['val', 'test'] };
    const retrieval = await tinyRun(temporary, run, 0.1, { model, dataset: 'coco_retrieval' });
    const whole = await train(retrieval, 'whole', []);
    for (const steps of [2, 7]) {
      const resumed = await train(retrieval, `stopped_${steps}`, [], [stopAfter(steps)]);
      await assertSameRun(resumed, whole, 'checkpoint_1.pth');
    }
    const hook: RunHook = {
      afterEvaluation: (_, split) => void (split === 'val' && process.kill(process.pid, 'SIGINT')),
    };
    const resumed = await train(retrieval, 'stopped_evaluating', [], [hook]);
    await assertSameRun(resumed, whole, 'checkpoint_1.pth');
  });
});
