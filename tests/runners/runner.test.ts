import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { openCheckpoint } from '#src/checkpoint/index.js';
import { ConfigError, TrainingError } from '#src/common/errors.js';
import { tf } from '#src/engine/index.js';
import { type Config, registry } from '#src/index.js';
import type { BaseRunner, RunHook } from '#src/runners/index.js';
import { newestCheckpoint } from '#src/runners/index.js';
import { CaptionTask, type EvaluationContext, type Metrics } from '#src/tasks/index.js';
import { fixture, temporaryFolder } from '../support.js';
import { contentOf, logLines, type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();
const QUICK = ['run.max_epoch=1', 'run.valid_splits=[]', 'run.test_splits=[]'];

/** Poisons the weights before micro-step `at`, so that its loss is NaN; heals them after it. */
function poison(at: number): RunHook {
  let done = 0;
  let kept: tf.Tensor | undefined;
  const biasOf = (run: unknown) =>
    (run as BaseRunner).model.namedParameters().get('text_decoder.cls.predictions.bias')!;
  return {
    afterStep(run) {
      done++;
      const bias = biasOf(run);
      if (kept) {
        bias.assign(kept);
        kept = undefined;
      }
      if (done !== at - 1) return;
      kept = bias.clone();
      bias.assign(tf.fill(bias.shape, Number.NaN));
    },
  };
}

/** A user's own task, whose scores fall: the first epoch stays the best. */
class FallingScores extends CaptionTask {
  #score = 1;

  static override setupTask(config: Config): FallingScores {
    return new FallingScores(CaptionTask.setupTask(config).settings);
  }

  override async afterEvaluation(): Promise<Metrics> {
    return { agg_metrics: this.#score-- };
  }
}
registry.registerTask('falling_scores')(FallingScores);

/** Scores that neither rise nor fall. */
class EqualScores extends CaptionTask {
  static override setupTask(config: Config): EqualScores {
    return new EqualScores(CaptionTask.setupTask(config).settings);
  }

  override async afterEvaluation(): Promise<Metrics> {
    return { agg_metrics: 1 };
  }
}
registry.registerTask('equal_scores')(EqualScores);

/** Scores that fall on val and rise on every other split. */
class RisingTestScores extends CaptionTask {
  #evaluations = 0;

  static override setupTask(config: Config): RisingTestScores {
    return new RisingTestScores(CaptionTask.setupTask(config).settings);
  }

  override async afterEvaluation(_: unknown, { split }: EvaluationContext): Promise<Metrics> {
    const epoch = Math.floor(this.#evaluations++ / 2);
    return { agg_metrics: split === 'val' ? -1 - epoch : epoch };
  }
}
registry.registerTask('rising_test_scores')(RisingTestScores);

describe('a runner', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder);
  });

  it('stops at a NaN loss and tells step, rate, ids and the newest good checkpoint', async () => {
    const runner = await tiny.runner('nan', [...QUICK, 'run.save_every_iters=2'], [poison(4)]);
    await assert.rejects(runner.train(), (error: unknown) => {
      assert.ok(error instanceof TrainingError);
      assert.match(error.message, /^the loss is NaN\n/);
      assert.match(error.message, /epoch 0, step 3, learning rate 0\.01/);
      assert.match(error.message, /a batch of 2, ids tiny_\d+, tiny_\d+/);
      assert.match(error.message, /newest good checkpoint is .*checkpoint_latest\.pth/);
      return true;
    });
  });

  it('leaves a NaN batch out with on_nan: skip, counts it, and trains on', async () => {
    const runner = await tiny.runner('skip', [...QUICK, 'run.on_nan=skip'], [poison(4)]);
    await runner.train();
    assert.equal(runner.state.skipped, 1);
    for (const value of runner.model.namedParameters().values()) {
      assert.ok((value.dataSync() as Float32Array).every(Number.isFinite));
    }
    assert.match(JSON.parse(logLines(runner.folder.path)[0]).train_loss, /^\d+\.\d{3}$/);
  });

  it('logs the gradient norm, and clips to clip_grad_norm', async () => {
    const norms: number[] = [];
    const hook: RunHook = { afterStep: (_, step) => void norms.push(step.gradNorm!) };
    const free = await tiny.runner('free', QUICK, [hook]);
    await free.train();
    assert.equal(norms.length, 5);
    assert.ok(norms.every((norm) => norm > 0.01));
    assert.ok('train_grad_norm' in JSON.parse(logLines(free.folder.path)[0]));
    const clipped = await tiny.runner('clipped', [...QUICK, 'run.clip_grad_norm=1e-9']);
    await clipped.train();
    const model = 'visual_encoder.norm.bias';
    const norm = (runner: BaseRunner) =>
      (runner.model.namedParameters().get(model)!.dataSync() as Float32Array).reduce(
        (sum, v) => sum + v * v,
        0,
      );
    assert.ok(norm(clipped) < norm(free) / 2, 'clipped steps move the weights less');
  });

  it('keeps the last checkpoints and never removes the best', async () => {
    const options = ['run.max_epoch=4', 'run.save_freq=1', 'run.keep_last=2', 'run.test_splits=[]'];
    const runner = await tiny.runner('keep', options);
    await runner.train();
    assert.deepEqual(
      readdirSync(runner.folder.path)
        .filter((name) => name.endsWith('.pth'))
        .sort(),
      ['checkpoint_2.pth', 'checkpoint_3.pth', 'checkpoint_best.pth'],
    );
  });

  it('evaluates and saves when val_freq and save_freq say so, and at the end', async () => {
    const options = ['run.max_epoch=4', 'run.val_freq=2', 'run.save_freq=3', 'run.test_splits=[]'];
    const runner = await tiny.runner('freq', options);
    await runner.train();
    const lines = logLines(runner.folder.path).map((line) => Object.keys(JSON.parse(line))[0].split('_')[0]);
    assert.deepEqual(lines, ['train', 'val', 'train', 'train', 'val', 'train', 'val']);
    assert.ok(existsSync(join(runner.folder.path, 'checkpoint_0.pth')));
    assert.ok(existsSync(join(runner.folder.path, 'checkpoint_3.pth')));
    assert.ok(!existsSync(join(runner.folder.path, 'checkpoint_1.pth')));
  });

  it('saves every epoch where nothing is evaluated', async () => {
    const runner = await tiny.runner('unseen', ['run.valid_splits=[]', 'run.test_splits=[]']);
    await runner.train();
    assert.ok(existsSync(join(runner.folder.path, 'checkpoint_0.pth')));
    assert.ok(existsSync(join(runner.folder.path, 'checkpoint_1.pth')));
    assert.ok(!existsSync(join(runner.folder.path, 'checkpoint_best.pth')));
  });

  it('names the results of a test without validation by epoch, or by data epoch and iterations', async () => {
    const named = async (name: string, ...options: string[]) => {
      const runner = await tiny.runner(name, ['run.valid_splits=[]', ...options]);
      await runner.train();
      return readdirSync(runner.folder.resultDir);
    };
    assert.deepEqual(await named('by_epoch'), ['test_epoch1.json']);
    const iters = ['run.runner=runner_iter', 'run.max_iters=7', 'run.iters_per_inner_epoch=4'];
    assert.deepEqual(await named('by_iters', ...iters), ['test_epoch1_iters=7.json']);
  });

  it('tests with the weights of the best epoch, not the last', async () => {
    const runner = await tiny.runner('best', ['run.task=falling_scores']);
    await runner.train();
    assert.equal(runner.state.bestAt, 0);
    const best = await contentOf(join(runner.folder.path, 'checkpoint_best.pth'));
    const weights = (best as { model: Record<string, Float32Array> }).model;
    const state = runner.model.stateDict();
    assert.deepEqual(state.get('visual_encoder.cls_token')!.dataSync(), weights['visual_encoder.cls_token']);
  });

  it('keeps the first of epochs with equal scores, as the reference does', async () => {
    const runner = await tiny.runner('equal', ['run.task=equal_scores', 'run.test_splits=[]']);
    await runner.train();
    assert.equal(runner.state.bestAt, 0);
  });

  it('warms up over the micro-steps of the first epoch, then has a rate for each epoch', async () => {
    const rates: number[] = [];
    const hook: RunHook = { afterStep: (_, { lr }) => void rates.push(lr) };
    const options = ['run.accum_grad_iters=2', 'run.valid_splits=[]', 'run.test_splits=[]'];
    await (await tiny.runner('rates', options, [hook])).train();
    const warmup = [1e-4, 1e-4 + 9.9e-3 / 3, 1e-4 + (2 * 9.9e-3) / 3, 1e-2, 1e-2];
    const expected = [...warmup, ...warmup.map(() => 5e-3)]; // halfway down the cosine of two epochs
    assert.equal(rates.length, expected.length);
    expected.forEach((rate, i) => {
      assert.ok(Math.abs(rates[i] - rate) <= 1e-12, `step ${i}: ${rates[i]}, not ${rate}`);
    });
  });

  it('finds the best weights beside the checkpoint it goes on from, where the folder was moved', async () => {
    const first = await tiny.runner('moving', ['run.task=falling_scores', 'run.test_splits=[]']);
    await first.train();
    renameSync(first.folder.path, join(folder, 'moved'));
    const resume = `run.resume_ckpt_path=${join(folder, 'moved', 'checkpoint_1.pth')}`;
    const second = await tiny.runner('moving', ['run.task=falling_scores', resume]);
    await second.train();
    const best = await contentOf(join(folder, 'moved', 'checkpoint_best.pth'));
    const weights = (best as { model: Record<string, Float32Array> }).model;
    const state = second.model.stateDict();
    assert.deepEqual(state.get('visual_encoder.cls_token')!.dataSync(), weights['visual_encoder.cls_token']);
  });

  it('tests with the last weights where captions are written, not scored', async () => {
    const runner = await tiny.runner('unscored', ['run.report_metric=False']);
    assert.deepEqual(await runner.train(), {});
    assert.deepEqual(readdirSync(runner.folder.resultDir).sort(), [
      'test_epochbest.json',
      'val_epoch0.json',
      'val_epoch1.json',
    ]);
    assert.ok(!existsSync(join(runner.folder.path, 'checkpoint_best.pth')));
    const last = await contentOf(join(runner.folder.path, 'checkpoint_1.pth'));
    const weights = (last as { model: Record<string, Float32Array> }).model;
    const state = runner.model.stateDict();
    assert.deepEqual(state.get('visual_encoder.cls_token')!.dataSync(), weights['visual_encoder.cls_token']);
  });

  it('drops micro-batches that make no whole update at the end of an epoch', async () => {
    const waitingIn = async (path: string) => {
      const checkpoint = await openCheckpoint(path);
      const { lavis_node } = checkpoint.root as { lavis_node: { accumulated: Map<string, unknown> } };
      await checkpoint.close();
      return lavis_node.accumulated.size;
    };
    const waiting: number[] = [];
    const hook: RunHook = {
      afterStep: async (run) => void waiting.push(await waitingIn(await run.save('waiting'))),
      afterRound: async (run) => void waiting.push(await waitingIn(await run.save('waiting'))),
    };
    const runner = await tiny.runner('leftover', [...QUICK, 'run.accum_grad_iters=2'], [hook]);
    await runner.train();
    const all = runner.model.namedParameters().size;
    assert.deepEqual(waiting, [all, 0, all, 0, all, 0]);
  });

  it("chooses the best epoch by 'val', whichever other splits are evaluated", async () => {
    const options = ['run.task=rising_test_scores', "run.valid_splits=['test','val']", 'run.test_splits=[]'];
    const runner = await tiny.runner('decisive', options);
    await runner.train();
    assert.equal(runner.state.bestAt, 0);
    assert.equal(runner.state.bestScore, -1);
  });

  it('leaves the record of an evaluation whose captions nothing scores', async () => {
    const runner = await tiny.runner('unscored_alone', ['run.report_metric=False', 'run.evaluate=True']);
    assert.deepEqual(await runner.evaluate(), {});
    assert.deepEqual(readdirSync(runner.folder.resultDir), ['test_epochbest.json']);
    assert.ok(existsSync(join(runner.folder.path, 'run.json')));
  });

  it('two runs of the same seed are the same to the bit, of another seed are not', async () => {
    const contents: unknown[] = [];
    for (const [name, seed] of [
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ]) {
      const runner = await tiny.runner(String(name), [...QUICK, `run.seed=${seed}`]);
      await runner.train();
      contents.push(await contentOf(join(runner.folder.path, 'checkpoint_0.pth')));
    }
    assert.deepEqual(contents[0], contents[1]);
    assert.notDeepEqual(contents[0], contents[2]);
  });

  it('refuses an accumulation that never updates, a schedule without its rate, a split that nobody has', async () => {
    const refused: [string[], RegExp][] = [
      [['run.accum_grad_iters=6'], /accum_grad_iters is larger than the epoch/],
      [['run.lr_sched=linear_warmup_step_lr'], /lr_decay_rate is missing/],
      [["run.valid_splits=['minival']"], /no dataset has the split 'minival'/],
    ];
    for (const [i, [options, message]] of refused.entries()) {
      const run = async () => (await tiny.runner(`refused_${i}`, options)).train();
      await assert.rejects(run, (error) => error instanceof ConfigError && message.test(error.message));
    }
  });

  it('goes on from a checkpoint that LAVIS wrote, with the epoch after its own', async () => {
    const path = fixture('tiny_caption', 'resume', 'checkpoint_0.pth');
    const options = [
      'model.vit_depth=1',
      'run.max_epoch=3',
      'run.test_splits=[]',
      `run.resume_ckpt_path=${path}`,
    ];
    const runner = await tiny.runner('pytorch', options);
    await runner.train();
    assert.equal(logLines(runner.folder.path).length, 2 * 2);
    assert.ok(existsSync(join(runner.folder.path, 'checkpoint_2.pth')));
    assert.ok(runner.state.bestAt >= 1);
  });

  it('finds the newest checkpoint over all jobs of an output folder', async () => {
    const one = await tiny.runner('newest', QUICK);
    await one.train();
    const path = join(one.folder.path, 'checkpoint_0.pth');
    assert.equal(await newestCheckpoint(join(folder, 'newest')), path);
    const other = join(folder, 'newest', 'another');
    mkdirSync(other);
    const [older, cut] = [join(other, 'checkpoint_7.pth'), join(other, 'checkpoint_8.pth')];
    copyFileSync(path, older);
    utimesSync(older, 1e9, 1e9);
    assert.equal(await newestCheckpoint(join(folder, 'newest')), path);
    utimesSync(older, 4e9, 4e9);
    assert.equal(await newestCheckpoint(join(folder, 'newest')), older);
    writeFileSync(cut, readFileSync(path).subarray(0, -100));
    utimesSync(cut, 4.1e9, 4.1e9);
    assert.equal(await newestCheckpoint(join(folder, 'newest')), older, 'a file cut short is passed over');
    assert.equal(await newestCheckpoint(join(folder, 'nowhere')), undefined);
  });
});
