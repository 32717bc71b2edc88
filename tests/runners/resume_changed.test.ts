import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { CheckpointError, DataError, RunInterrupted } from '#src/common/errors.js';
import { type Config, registry } from '#src/index.js';
import { bestScore } from '#src/reports/read_run.js';
import { compareRun, type Fingerprint } from '#src/runners/fingerprint.js';
import { type BaseRunner, type RunHook, readMetrics } from '#src/runners/index.js';
import { CaptionTask, type EvaluationContext, type Metrics } from '#src/tasks/index.js';
import { temporaryFolder } from '../support.js';
import { logLines, type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();
const OPTIONS = ['run.max_epoch=2', 'run.test_splits=[]', 'run.log_freq=1'];

/** Ctrl-C after so many steps. */
function stopAfter(steps: number): RunHook {
  let done = 0;
  return { afterStep: () => void (++done === steps && process.kill(process.pid, 'SIGINT')) };
}

/** A task whose second evaluation of the process fails. */
class FailsOnce extends CaptionTask {
  static evaluations = 0;
  static override setupTask(config: Config): FailsOnce {
    return new FailsOnce(CaptionTask.setupTask(config).settings);
  }
  override async afterEvaluation(): Promise<Metrics> {
    if (++FailsOnce.evaluations === 2) throw new DataError('the scorer has lost its mind');
    return { agg_metrics: 1 };
  }
}
registry.registerTask('fails_once')(FailsOnce);

/** By CIDEr the second epoch is the best, and by 'test' too; what chooses says the first. */
class Disagreeing extends CaptionTask {
  #evaluations = 0;
  static override setupTask(config: Config): Disagreeing {
    return new Disagreeing(CaptionTask.setupTask(config).settings);
  }
  override async afterEvaluation(_: unknown, { split }: EvaluationContext): Promise<Metrics> {
    const rising = ++this.#evaluations;
    return { agg_metrics: split === 'val' ? -rising : rising, CIDEr: rising };
  }
}
registry.registerTask('disagreeing')(Disagreeing);

describe('a run that is resumed', () => {
  let tiny: TinyRun;
  /** A run that was stopped at step 3 of 5 of its second epoch. */
  let stopped: string;

  before(async () => {
    tiny = await tinyRun(folder);
    await assert.rejects((await tiny.runner('stopped', OPTIONS, [stopAfter(8)])).train(), RunInterrupted);
    stopped = join(folder, 'stopped', 'job');
  });

  /** A copy of the stopped run, to go on with. */
  async function resumed(name: string, options: string[], hooks: RunHook[] = []): Promise<BaseRunner> {
    cpSync(stopped, join(folder, name, 'job'), { recursive: true });
    const checkpoint = join(folder, name, 'job', 'checkpoint_latest.pth');
    return tiny.runner(name, [...OPTIONS, `run.resume_ckpt_path=${checkpoint}`, ...options], hooks);
  }

  /** Annotations of a split that were changed. */
  function changed(split: string, change: (entries: Record<string, unknown>[]) => unknown): string {
    const entries = JSON.parse(readFileSync(join(folder, `${split}.json`), 'utf8'));
    const path = join(folder, `changed_${split}.json`);
    writeFileSync(path, JSON.stringify(change(entries)));
    return `datasets.coco_caption.build_info.annotations.${split}.storage=${path}`;
  }

  const differences: [what: string, options: () => string[], names: RegExp][] = [
    ['batch size', () => ['run.batch_size_train=5'], /run\.batch_size_train: 2 then, 5 now/],
    ['accumulation', () => ['run.accum_grad_iters=2'], /run\.accum_grad_iters: 1 then, 2 now/],
    ['seed', () => ['run.seed=7'], /run\.seed: 42 then, 7 now/],
    [
      'number of samples',
      () => [changed('train', (all) => all.slice(1))],
      /coco_caption train: 10 samples, .* then, 9/,
    ],
    [
      'order of samples',
      () => [changed('train', (all) => all.reverse())],
      /coco_caption train: 10 samples.*10 samples/,
    ],
    [
      'validation data',
      () => [changed('val', (all) => all.slice(1))],
      /coco_caption val: 3 samples, .* then, 2/,
    ],
  ];
  for (const [i, [what, options, names]] of differences.entries()) {
    it(`with another ${what} is refused, and told how to go on`, async () => {
      await assert.rejects(
        (await resumed(`refused_${i}`, options())).train(),
        (error) =>
          error instanceof CheckpointError &&
          names.test(error.message) &&
          /run\.resume_changed=True/.test(error.message),
      );
    });
  }

  it('with data that lies elsewhere, and another loader, is the same', async () => {
    const elsewhere = ['train', 'val'].map((split) => changed(split, (all) => all));
    cpSync(join(folder, 'images'), join(folder, 'moved'), { recursive: true });
    const images = `datasets.coco_caption.build_info.images.storage=${join(folder, 'moved')}`;
    const runner = await resumed('moved_run', [...elsewhere, images, 'run.num_workers=1', 'run.max_epoch=3']);
    await runner.train();
    assert.equal(logLines(runner.folder.path).length, 2 * 3);
  });

  it('with differences that are accepted begins its unfinished epoch again, and chooses the best anew', async () => {
    let steps = 0;
    const options = [
      'run.batch_size_train=5',
      changed('val', (all) => all.slice(1)),
      'run.resume_changed=True',
    ];
    const runner = await resumed('accepted', options, [{ afterStep: () => void steps++ }]);
    await runner.train();
    assert.equal(steps, 2, 'a whole epoch of batches of 5');
    assert.equal(runner.state.bestAt, 1, 'the score of the first epoch is of other images');
  });

  it('from a checkpoint without a fingerprint is not refused', () => {
    const now: Fingerprint = { training: { 'run.seed': '1' }, evaluation: {} };
    assert.deepEqual(compareRun('old.pth', undefined, now, false), { training: false, evaluation: false });
  });

  it('after a failed evaluation goes on with the evaluation', async () => {
    const options = [...OPTIONS, 'run.task=fails_once', 'run.save_freq=0'];
    let trained = 0;
    const hook: RunHook = { afterStep: () => void trained++ };
    const failing = await tiny.runner('fails', options, [hook]);
    await assert.rejects(failing.train(), /lost its mind/);
    assert.equal(trained, 10);
    const latest = join(failing.folder.path, 'checkpoint_latest.pth');
    assert.ok(existsSync(latest));
    const again = await tiny.runner('fails', [...options, `run.resume_ckpt_path=${latest}`], [hook]);
    await again.train();
    assert.equal(trained, 10, 'no step is taken twice');
    assert.equal(logLines(again.folder.path).length, 2 * 2);
    assert.ok(existsSync(join(again.folder.path, 'checkpoint_1.pth')));
  });
});

it("names the best epoch that the runner chose, in reports as in the run's folder", async () => {
  const tiny = await tinyRun(join(temporaryFolder()));
  const options = [...OPTIONS, 'run.task=disagreeing', "run.valid_splits=['test','val']"];
  const runner = await tiny.runner('best', options);
  await runner.train();
  const best = bestScore(await readMetrics(runner.folder.path));
  assert.deepEqual([best?.split, best?.epoch, best?.agg_metrics], ['val', 0, -2]);
  assert.equal(runner.state.bestAt, 0);
});
