import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ConfigError, DataError, RunInterrupted } from '#src/common/errors.js';
import { Rng } from '#src/common/random.js';
import type { Batch } from '#src/datasets/index.js';
import { tf } from '#src/engine/index.js';
import { Config, registry } from '#src/index.js';
import type { Model } from '#src/models/index.js';
import { type RunHook, readMetrics } from '#src/runners/index.js';
import { prepareRun } from '#src/runs/prepare_run.js';
import { CaptionTask, type EvaluationContext, type Metrics, type StepLosses } from '#src/tasks/index.js';
import { temporaryFolder } from '../support.js';
import { contentOf, logLines, type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();
/** By epoch: the scores rise, the losses have their lowest in the third. */
const SCORES = [1, 2, 3, 4, 5, 6, 7, 8];
const LOSSES = [3, 2, 1, 1.5, 1.25, 1.125, 4, 4];

/** Scores and losses that are known before. */
class Told extends CaptionTask {
  #epoch = 0;
  static override setupTask(config: Config): Told {
    return new Told(CaptionTask.setupTask(config).settings);
  }
  override async afterEvaluation(_: unknown, { epoch }: EvaluationContext): Promise<Metrics> {
    this.#epoch = Number(epoch);
    return { agg_metrics: SCORES[this.#epoch], Bleu_4: LOSSES[this.#epoch], distance: -SCORES[this.#epoch] };
  }
  override validLoss(_model: Model, _batch: Batch): StepLosses {
    const loss = tf.scalar(LOSSES[this.#epoch]);
    return { loss, named: { loss } };
  }
  override readonly lowerIsBetter = ['distance'];
  override async metricNames(): Promise<readonly string[]> {
    return ['agg_metrics', 'Bleu_4', 'distance', 'SPICE'];
  }
}
registry.registerTask('told')(Told);

describe('run.monitor and run.val_loss', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder);
  });
  const told = (...options: string[]) => [
    ...['run.task=told', 'run.max_epoch=8', 'run.test_splits=[]', 'run.save_freq=0', ...options],
  ];
  const refused = async (
    options: string[],
    Kind: typeof ConfigError | typeof DataError,
    ...said: RegExp[]
  ) => {
    const thrown = await tiny.runner('refused', options).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(thrown instanceof Kind, String(thrown));
    for (const each of said) assert.match(thrown.message, each);
  };

  it('val_loss chooses the checkpoint of the lowest loss, and patience follows it', async () => {
    const runner = await tiny.runner('lowest', told('run.monitor=val_loss', 'run.patience=3'));
    await runner.train();
    const { bestScore, bestAt, round, waited } = runner.state;
    assert.deepEqual({ bestScore, bestAt, round }, { bestScore: 1, bestAt: 2, round: 6 });
    assert.deepEqual(waited, { score: 1, evaluations: 3 });
    const job = join(folder, 'lowest', 'job');
    const lines = (await readMetrics(job)).filter(({ kind }) => kind === 'evaluation');
    assert.deepEqual(
      lines.map(({ loss, best }) => [loss, best === true]),
      LOSSES.slice(0, 6).map((loss, i) => [loss, i < 3]),
    );
    const logged = logLines(job)
      .map((line) => JSON.parse(line))
      .filter(({ val_loss }) => val_loss !== undefined);
    assert.deepEqual(
      logged.map(({ val_loss, val_best_epoch }) => [val_loss, val_best_epoch]),
      LOSSES.slice(0, 6).map((loss, i) => [loss, Math.min(i, 2)]),
    );
  });

  it('min_delta is how much lower a loss has to be', async () => {
    const options = told('run.monitor=val_loss', 'run.patience=2', 'run.min_delta=1.5');
    const runner = await tiny.runner('delta', options);
    await runner.train();
    // From 3 it counts at 1, the third epoch.
    assert.deepEqual([runner.state.round, runner.state.bestScore], [5, 1]);
  });

  it('a resumed run keeps the best loss, and another monitor begins anew', async () => {
    let steps = 0;
    const stop: RunHook = { afterStep: () => void (++steps === 22 && process.kill(process.pid, 'SIGINT')) };
    const options = told('run.monitor=val_loss', 'run.patience=3');
    await assert.rejects((await tiny.runner('stopped', options, [stop])).train(), RunInterrupted);
    const goOn = async (name: string, ...more: string[]) => {
      cpSync(join(folder, 'stopped', 'job'), join(folder, name, 'job'), { recursive: true });
      const checkpoint = `run.resume_ckpt_path=${join(folder, name, 'job', 'checkpoint_latest.pth')}`;
      const runner = await tiny.runner(name, [...options, checkpoint, ...more]);
      await runner.train();
      return runner.state;
    };
    const { bestScore, bestAt, round } = await goOn('resumed');
    assert.deepEqual({ bestScore, bestAt, round }, { bestScore: 1, bestAt: 2, round: 6 });
    // From the fifth epoch on: 1.25, 1.125, 4, 4 of Bleu_4, the higher the better.
    const other = await goOn('other', 'run.monitor=bleu_4');
    assert.deepEqual([other.bestScore, other.bestAt, other.round], [4, 6, 8]);
  });

  it('any score of the task is taken by its name, in whatever case, and one that is better lower so', async () => {
    for (const [monitor, bestScore, bestAt] of [
      ['bleu_4', 4, 6],
      ['distance', -8, 7],
    ] as const) {
      const runner = await tiny.runner(monitor, told(`run.monitor=${monitor}`));
      await runner.train();
      assert.deepEqual([runner.state.bestScore, runner.state.bestAt], [bestScore, bestAt]);
    }
  });

  it('a score that nobody has, and a loss without a split or texts, are refused before the first step', async () => {
    await refused(
      told('run.monitor=Bleu_44'),
      ConfigError,
      /'Bleu_44'.*Bleu_4/,
      /val_loss, agg_metrics, Bleu_4/,
    );
    await refused(['run.monitor=acc'], ConfigError, /allowed.*val_loss.*CIDEr/);
    const nothing = ['run.valid_splits=[]'];
    await refused([...nothing, 'run.monitor=val_loss'], ConfigError, /run\.monitor has nothing to evaluate/);
    await refused([...nothing, 'run.val_loss=True'], ConfigError, /run\.val_loss has nothing to evaluate/);
    const bare = join(folder, 'bare.json');
    writeFileSync(bare, JSON.stringify([{ image: 'tiny_1.png' }, { image: 'tiny_2.png', caption: [] }]));
    const storage = `datasets.coco_caption.build_info.annotations.val.storage=${bare}`;
    await refused(
      [storage, 'run.val_loss=True'],
      DataError,
      /coco_caption val has nothing to measure a loss by/,
    );
  });

  it('a score that the task knows and did not give ends the run with what is allowed, the epoch saved', async () => {
    const runner = await tiny.runner('absent', told('run.monitor=SPICE'));
    await assert.rejects(
      runner.train(),
      (error) =>
        error instanceof ConfigError && /val_loss, agg_metrics, Bleu_4, distance/.test(error.message),
    );
    assert.ok(runner.lastCheckpoint?.endsWith('checkpoint_latest.pth'));
  });

  it('the loss takes texts as training does, images as evaluation does, a sample for each text', async () => {
    const val = join(folder, 'several.json');
    const captions = ['A red ball!', 'the ball', 'Red.'];
    writeFileSync(val, JSON.stringify([{ image: 'tiny_1.png', caption: captions }]));
    const storage = `datasets.coco_caption.build_info.annotations.val.storage=${val}`;
    const config = await Config.fromFile(tiny.yaml, [storage]);
    const { datasets, model } = await prepareRun(config, { device: 'cpu', training: true });
    const split = datasets.coco_caption.val!;
    assert.ok(!('iterable' in split));
    const form = split.trainingForm!();
    const samples = await Promise.all([0, 1, 2].map((i) => form.get(i, Rng.of(7))));
    assert.equal(form.length, 3);
    assert.deepEqual(
      samples.map(({ text_input }) => text_input),
      ['a picture of a red ball', 'a picture of the ball', 'a picture of red'],
    );
    assert.deepEqual(samples[0].image, (await split.get(0, Rng.of(8))).image);
    model.dispose();
  });

  it('reports the loss beside the scores where it is asked for, and trains as without it', async () => {
    const scoresOf = async (name: string, options: string[]) => {
      const runner = await tiny.runner(name, options);
      await runner.train();
      runner.model.dispose();
      const lines = logLines(join(folder, name, 'job')).map((line) => JSON.parse(line));
      return lines.filter((line) => 'val_CIDEr' in line);
    };
    const workers = ['run.val_loss=True', 'run.num_workers=2'];
    const [without, withLoss, inWorkers] = [
      await scoresOf('without', []),
      await scoresOf('with', ['run.val_loss=True']),
      await scoresOf('workers', workers),
    ];
    assert.equal(without.length, 2);
    assert.deepEqual(inWorkers, withLoss);
    for (const [i, line] of withLoss.entries()) {
      const { val_loss, val_loss_lm, ...rest } = line;
      assert.ok(val_loss > 0 && val_loss === val_loss_lm, JSON.stringify(line));
      assert.deepEqual(rest, without[i]);
    }
    const weights = (name: string) => contentOf(join(folder, name, 'job', 'checkpoint_1.pth'));
    assert.deepEqual(await weights('with'), await weights('without'));
    assert.ok(!readFileSync(join(folder, 'with', 'job', 'log.txt'), 'utf8').includes('test_loss'));
  });
});
