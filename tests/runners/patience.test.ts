import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ConfigError, RunInterrupted } from '#src/common/errors.js';
import { type Config, registry } from '#src/index.js';
import type { RunHook } from '#src/runners/index.js';
import { CaptionTask, type EvaluationContext, type Metrics } from '#src/tasks/index.js';
import { temporaryFolder } from '../support.js';
import { type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();
/** By epoch. The fourth is the best, yet by less than min_delta. */
const SCORES = [1, 2, 1.5, 2.05, 1, 3, 3, 3, 3, 3];

class Scripted extends CaptionTask {
  static override setupTask(config: Config): Scripted {
    return new Scripted(CaptionTask.setupTask(config).settings);
  }
  override async afterEvaluation(_: unknown, { epoch }: EvaluationContext): Promise<Metrics> {
    return { agg_metrics: SCORES[Number(epoch)] };
  }
}
registry.registerTask('scripted')(Scripted);

const OPTIONS = [
  'run.task=scripted',
  'run.max_epoch=10',
  'run.test_splits=[]',
  'run.patience=2',
  'run.min_delta=0.1',
  'run.save_freq=0',
];

describe('run.patience', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder);
  });
  const epochs = (name: string) =>
    readFileSync(join(folder, name, 'job', 'log.txt'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('train_loss')).length;

  it('ends training after so many evaluations without a better score, and saves the last state', async () => {
    const runner = await tiny.runner('ended', OPTIONS);
    await runner.train();
    assert.equal(epochs('ended'), 4);
    const { bestScore, bestAt, round, waited } = runner.state;
    assert.deepEqual({ bestScore, bestAt, round }, { bestScore: 2.05, bestAt: 3, round: 4 });
    assert.deepEqual(waited, { score: 2, evaluations: 2 });
    assert.ok(existsSync(join(folder, 'ended', 'job', 'checkpoint_3.pth')));
    assert.ok(!existsSync(join(folder, 'ended', 'job', 'checkpoint_latest.pth')));
  });

  it('ends a run that was stopped and resumed at the same epoch, and one with more patience later', async () => {
    let steps = 0;
    const stop: RunHook = { afterStep: () => void (++steps === 17 && process.kill(process.pid, 'SIGINT')) };
    await assert.rejects((await tiny.runner('stopped', OPTIONS, [stop])).train(), RunInterrupted);
    for (const [name, patience, expected] of [
      ['resumed', 2, 4],
      ['patient', 3, 5],
    ] as const) {
      cpSync(join(folder, 'stopped', 'job'), join(folder, name, 'job'), { recursive: true });
      const checkpoint = `run.resume_ckpt_path=${join(folder, name, 'job', 'checkpoint_latest.pth')}`;
      const runner = await tiny.runner(name, [...OPTIONS, `run.patience=${patience}`, checkpoint]);
      await runner.train();
      assert.equal(epochs(name), expected, name);
    }
  });

  it('is refused where nothing is evaluated', async () => {
    const runner = await tiny.runner('nothing', [...OPTIONS, 'run.valid_splits=[]']);
    await assert.rejects(
      runner.train(),
      (error) => error instanceof ConfigError && /run\.patience has nothing to wait for/.test(error.message),
    );
  });
});
